"""What an ad platform must be able to do. Knows no SDK."""

from typing import NamedTuple, Protocol

from metrics.budget.effects.machine import Answer, NotTaken, RefusedThere
from metrics.budget.effects.records import SeenStatus, Status


class Target(NamedTuple):
    """A campaign there: ids as the platform writes them."""

    account_id: str
    campaign_id: str


class CampaignFound(NamedTuple):
    """A campaign as it was read; ``PlatformState`` says what the fields mean."""

    status: SeenStatus
    budget_micros: int | None = None
    is_daily: bool = False
    currency: str | None = None
    version: str | None = None


class PlatformClient(Protocol):
    """One platform through its SDK; calls block, and none is repeated within.

    A write raises nothing: it answers ``Unknown`` wherever the request may have reached the platform.
    """

    def step(self, currency: str) -> int:
        """Micros of the currency that amounts are multiples of."""

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign as it stands now."""

    def set_status(self, target: Target, status: Status) -> Answer:
        """Let a campaign run, or pause it."""

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The budget of the kind that the campaign was last read with, of its flight or of a day; ``micros`` are a multiple of ``step``."""
