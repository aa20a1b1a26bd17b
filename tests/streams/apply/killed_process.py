# ruff: noqa: ARG002 - as the protocol says
"""``roistream apply`` as a process that a test kills, with a client of a platform that the test serves."""

import asyncio
import json
import urllib.error
import urllib.request

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Accepted, NotTaken, Patience, Unknown
from streams.apply.platform import CampaignFound
from streams.apply.run import ApplyOptions, apply
from streams.settings import Settings

OPTIONS = ApplyOptions(
    is_dry=False,
    once=True,
    caps=Caps(1_000, 1_000),
    patience=Patience(settle=300, first_pause=40, longest_pause=80),
)


class HttpClient:
    """As ``PlatformClient`` says."""

    def __init__(self, address):
        self._address = address

    def step(self, currency):
        return 10_000

    def read(self, target):
        try:
            with urllib.request.urlopen(f"{self._address}/{target.campaign_id}", timeout=5) as answer:
                return CampaignFound(**json.load(answer))
        except (urllib.error.URLError, OSError):
            return NotTaken("unreachable", "no connection")

    def set_status(self, target, status):
        return self._write(target, {"status": status})

    def set_budget(self, target, micros, currency):
        return self._write(target, {"budget_micros": micros})

    def _write(self, target, values):
        try:
            with urllib.request.urlopen(
                f"{self._address}/{target.campaign_id}", json.dumps(values).encode(), 5
            ):
                return Accepted()
        except (urllib.error.URLError, OSError):
            return Unknown("no answer")


def carry_out(settings: Settings, address: str) -> int:
    """Carry out what is decided, until nothing is left to do; the exit code."""
    return asyncio.run(apply(settings, OPTIONS, {"meta": HttpClient(address)}))
