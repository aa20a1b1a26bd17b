# ruff: noqa: ARG002 - as the protocols say
"""A platform in memory whose every failure is chosen, and a world around a carrier that can die at any point."""

from metrics.budget.effects.machine import Accepted, NotTaken, RefusedThere, Unknown
from metrics.values.currency import PARTS
from streams.apply.carrier import Registered
from streams.apply.platform import CampaignFound, Target

TARGET = Target("account", "there")
#: What may become of a write.
FATES = ("done", "refused", "throttled", "expired", "lost", "done_unanswered", "late")


class KilledError(BaseException):
    """The process is no more."""


class ModelPlatform:
    """One campaign; a person may act on it, and requests may be lost, late or refused."""

    def __init__(self, has_versions=True):
        self.status, self.budget, self.changes, self.has_versions = "running", 1_000_000_000, 0, has_versions
        #: Whether its budget is of a day, and when the campaign ends.
        self.is_daily, self.ends_at = False, None
        #: Who paused it, as far as whoever reads it can know.
        self.paused_by = None
        self.fates, self.is_reachable = [], True
        self.late = []
        #: What took effect, and what was asked: by whom the world says.
        self.applied, self.asked = [], []

    def step(self, currency):
        return 10_000

    def read(self, target):
        assert target == TARGET
        if not self.is_reachable:
            return NotTaken("unreachable", "no connection")
        if self.status == "running":
            self.paused_by = None
        return CampaignFound(
            self.status, self.budget, self.is_daily, "EUR", str(self.changes) if self.has_versions else None
        )

    def set_status(self, target, status):
        return self._write("status", status)

    def set_budget(self, target, micros, currency):
        assert micros % self.step(currency) == 0
        return self._write("budget", micros)

    def _write(self, aspect, value):
        fate = self.fates.pop(0) if self.fates else "done"
        self.asked.append((self.asking, aspect, value, self.paused_by, fate))
        match fate:
            case "refused":
                return RefusedThere("refused_there", "no")
            case "throttled":
                return NotTaken("rate_limited", "slower", 30_000)
            case "expired":
                return NotTaken("credentials", "the token has expired")
            case "lost":
                return Unknown("no answer")
            case "late":
                self.late.append((self.asking, aspect, value))
                return Unknown("no answer")
        self.apply(self.asking, aspect, value)
        return Unknown("no answer") if fate == "done_unanswered" else Accepted()

    def apply(self, who, aspect, value):
        """Take a request into effect."""
        if self.status == "gone":
            return
        self.applied.append((who, aspect, value))
        self._set(aspect, value, "us")

    def arrive(self):
        """Requests that were on their way take effect."""
        for request in self.late:
            self.apply(*request)
        self.late = []

    def person(self, aspect, value):
        """Somebody changes the campaign on the platform."""
        self._set(aspect, value, "person")

    def _set(self, aspect, value, who):
        if aspect == "budget":
            self.changes += self.budget != value
            self.budget = value
            return
        self.changes += self.status != value
        # Who resumes and pauses again between two looks leaves no trace.
        if value == "paused" and self.status == "running" and self.paused_by is None:
            self.paused_by = who
        if value == "running" and who == "us":
            self.paused_by = None
        self.status = value


class World:
    """Time, chance and a compacted log; dies when told to."""

    def __init__(self, platform):
        self.platform_there, self.at, self.log = platform, 1_800_000_000_000, {}
        self.dies_in = None

    def now(self):
        return self.at

    def chance(self):
        return 0.5

    def registered(self, campaign_id):
        return Registered("meta", TARGET)

    def flight_end(self, campaign_id):
        return self.platform_there.ends_at

    def platform(self, name):
        return self.platform_there

    def rate_parts(self, currency, at):
        return PARTS

    async def keep(self, effects):
        self._risk()
        for effect in effects:
            self.log[effect.action_id] = effect
            for part in effect.parts:
                if part.stage == "sent":
                    self.platform_there.asking = effect.action_id
        self._risk()

    async def call(self, function):
        self._risk()
        found = function()
        self._risk()
        return found

    def _risk(self):
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                raise KilledError


def finished(coroutine):
    """What a coroutine that never waits returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")
