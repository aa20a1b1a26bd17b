"""What the demo is asked for, and the environment its worker gets. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from metrics.values.errors import RoistreamError

#: With at least this many seconds, a demo that shows too few figures has failed.
JUDGED_SECONDS = 30
_ENOUGH_CAMPAIGNS = 10
#: Campaigns that may have no ROI: one costs nothing, one may have been unlucky.
_EXCUSED = 2
#: Beside the embedded broker nothing is far away: a worker that died is soon succeeded, a silent topic soon idle.
_EMBEDDED = {"ROISTREAM_SESSION_TIMEOUT": "10s", "ROISTREAM_IDLE_AFTER": "5s"}
#: Long enough for any demo that is kept; the setting is off unless somebody asks for it.
_CUSTOMERS = {"ROISTREAM_CUSTOMER_RETENTION": "1095d"}
#: ``total`` is published every tenth interval: at half a second each, it moves every five.
_LIVELY = {"ROISTREAM_PUBLISH_INTERVAL": "500ms"}

#: The controller acts, at the speed of a demo: a card is about a minute's money, a campaign rests for seconds. Most
#: conversions of the demo's world take up to half a minute; those that came sooner count for the spend that does not yet.
CONTROL = {
    "ROISTREAM_BUDGET_MODE": "enforce",
    "ROISTREAM_BUDGET": json.dumps(
        {
            "preset": "bold",
            "card_share": 1 / 15,
            "mature_after": "10s",
            "longest_lag": "1m",
            "learning_phase": "0s",
            "refund_window": "0s",
            "min_completeness": 0.3,
            "cooldown": "20s",
            "hold_for": "90s",
            "stale_after": "2m",
            "max_change_per_day": 1.0,
        }
    ),
}


@dataclass(frozen=True)
class DemoOptions:
    """Options of ``roistream demo``.

    Attributes:
        seconds: ends the demo this long after its worker is ready; None: at Ctrl-C.
        rate: clicks per second, all campaigns together.
        campaigns: how many campaigns.
        seed: the same seed makes the same world.
        port: of the worker's pages; 0 takes any free one, None the setting's.
        timelapse: simulated seconds per real second, until simulated time has caught up with real time
            (after ``seconds``, or two minutes); 1 is real time.
        picture: where the table is drawn as SVG when the demo ends; None: nowhere.
        keep: the folder of the broker's data, the logs and the world, which goes on there; None: all goes with the demo,
            but for the logs.
    """

    seconds: float | None = None
    rate: float = 50.0
    campaigns: int = 12
    seed: int = 7
    port: int | None = None
    timelapse: float = 1.0
    picture: Path | None = None
    keep: Path | None = None

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            RoistreamError: names the option and what it may be.
        """
        if self.seconds is not None and self.seconds <= 0:
            raise RoistreamError("--seconds must be above 0; leave it away for a demo without end.")
        if not 0 < self.rate <= 20_000:
            raise RoistreamError("--rate must be above 0 and at most 20000 clicks per second.")
        if not 1 <= self.campaigns <= 10_000:
            raise RoistreamError("--campaigns must be between 1 and 10000.")
        if not 1 <= self.timelapse <= 1_000:
            raise RoistreamError("--timelapse must be between 1 (real time) and 1000.")

    @property
    def lapse_seconds(self) -> float:
        """Real seconds in which simulated time catches up."""
        return self.seconds or 120.0

    def is_success(self, campaigns_with_figures: int, *, interrupted: bool) -> bool:
        """Whether the demo showed what it promises: CPL and ROI of ten campaigns, after half a minute."""
        if interrupted or self.seconds is None or self.seconds < JUDGED_SECONDS:
            return True
        return campaigns_with_figures >= min(_ENOUGH_CAMPAIGNS, self.campaigns - _EXCUSED)


def environment(
    inherited: Mapping[str, str], *, broker: str | None, redis: str | None, port: int | None, state_dir: str
) -> dict[str, str]:
    """The ``ROISTREAM_*`` variables of the demo and its worker: the user's win over the demo's usual ones.

    Args:
        inherited: the user's environment.
        broker: address of the embedded broker; None where the user named one.
        redis: address of the embedded cache; None where the user named one.
        port: of the worker's pages; None leaves it to the settings.
        state_dir: where the worker may keep files.
    """
    usual = {
        "ROISTREAM_STATE_DIR": state_dir,
        **_LIVELY,
        **_CUSTOMERS,
        **CONTROL,
        **(_EMBEDDED if broker else {}),
    }
    forced = {"ROISTREAM_BROKER": broker, "ROISTREAM_REDIS_URL": redis}
    if port is not None:
        forced["ROISTREAM_HTTP_PORT"] = str(port)
    kept = {name: value for name, value in inherited.items() if name.startswith("ROISTREAM_")}
    return {**usual, **kept, **{name: value for name, value in forced.items() if value is not None}}
