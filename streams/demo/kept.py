"""A demo that goes on where an earlier one stopped: what its folder remembers of its world. One small file."""

from pathlib import Path

import msgspec

from metrics.values.errors import RoistreamError
from streams.demo.simulated_clock import SimulatedClock

_FILE = "world.json"
KEEP_NEEDS_EMBEDDED = (
    "--keep is for the embedded broker; a broker of ROISTREAM_BROKER keeps its records itself."
)


class Beginning(msgspec.Struct, frozen=True):
    """What makes a world, and the course of its time since it began."""

    seed: int
    campaigns: int
    rate: float
    clock: SimulatedClock


def broker_folder(folder: Path | None) -> Path | None:
    """Where the broker's data are in a folder that is kept."""
    return None if folder is None else folder / "broker"


def begin_or_resume(folder: Path | None, wanted: Beginning, now_ms: int) -> tuple[SimulatedClock, int | None]:
    """The course of simulated time, and the simulated instant at which an earlier run of the world is resumed.

    Args:
        folder: where the world is remembered; None: nowhere.
        wanted: the world that is asked for, as if it began now.
        now_ms: the real time.

    Returns:
        The clock of the earlier run and where it has got to by now; that of a new world, and None.

    Raises:
        RoistreamError: when the folder holds another world, or its file cannot be read.
    """
    if folder is None:
        return wanted.clock, None
    file = folder / _FILE
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Beginning)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(wanted))
        return wanted.clock, None
    except (OSError, msgspec.DecodeError) as error:
        raise RoistreamError(f"{file} cannot be read ({error}); name another folder with --keep.") from error
    if (kept.seed, kept.campaigns, kept.rate) != (wanted.seed, wanted.campaigns, wanted.rate):
        raise RoistreamError(
            f"{folder} holds a world of --seed {kept.seed} --campaigns {kept.campaigns} --rate {kept.rate:g}; "
            "ask for the same, or name another folder with --keep."
        )
    return kept.clock, kept.clock.simulated(now_ms)
