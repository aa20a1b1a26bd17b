"""How old figures are and what holds them up, by what workers say of themselves. Pure: clocks are arguments."""

from collections.abc import Iterator

import msgspec

from streams.sinks.redis_status import WorkerStatus

#: A worker that has said nothing for so long hangs or is gone; it says something every two seconds.
SILENT_AFTER_S = 10.0
#: Figures that are older are worth a word. A source that falls silent holds the watermark for IDLE_AFTER (30 s).
OLD_AFTER_MS = 60_000

_decode = msgspec.json.Decoder(WorkerStatus).decode


class FiguresHealth(msgspec.Struct, frozen=True):
    """How old figures are.

    Attributes:
        age_ms: from the least watermark of all partitions to now; None: no worker has told one.
        problems: what stands between figures and now, in sentences; none: nothing is known.
    """

    age_ms: int | None
    problems: list[str]


class SplitIdentities(msgspec.Struct, frozen=True):
    """What came on several partitions and so is not known again there: orders, and event ids that counted on each."""

    orders: int
    events: int


class WorkerWatch:
    """What each worker last said, and when each partition was last held.

    Args:
        partitions: of the deployment.
        now_s: seconds of a clock that never goes back; from now on workers should be heard.
    """

    def __init__(self, partitions: int, now_s: float) -> None:
        self._known: dict[str, tuple[float, WorkerStatus]] = {}
        self._held_at = dict.fromkeys(range(partitions), now_s)
        self._spoken_at = now_s
        self._figures_ms: dict[int, int] = {}

    def take(self, message: bytes, now_s: float) -> None:
        """What a worker says.

        Raises:
            msgspec.DecodeError: when it is no status.
        """
        status = _decode(message)
        self._known[status.worker] = now_s, status
        self._spoken_at = now_s
        for partition in self._held_at.keys() & set(status.partitions):
            self._held_at[partition] = now_s
        for partition in self._held_at.keys() & status.figures_ms.keys():
            watermark = status.figures_ms[partition]
            self._figures_ms[partition] = max(watermark, self._figures_ms.get(partition, watermark))

    def not_listening(self, now_s: float) -> None:
        """Nobody could be heard until now: silence up to here says nothing."""
        self._spoken_at = now_s
        self._held_at = dict.fromkeys(self._held_at, now_s)

    def health(self, now_s: float, now_ms: int) -> FiguresHealth:
        """How old figures are now, and why."""
        self._known = {
            name: known for name, known in self._known.items() if now_s - known[0] <= SILENT_AFTER_S
        }
        age = max(0, now_ms - min(self._figures_ms.values())) if self._figures_ms else None
        problems = list(self._problems(now_s))
        if not problems and age is not None and age > OLD_AFTER_MS:
            problems = [
                f"Figures are complete up to {_words(age)} ago: nothing newer has come, or it is not read yet."
            ]
        return FiguresHealth(age, problems)

    @property
    def split(self) -> SplitIdentities:
        """What the workers that are heard of have met, together."""
        known = [status for _, status in self._known.values()]
        return SplitIdentities(
            sum(each.split_orders for each in known), sum(each.split_events for each in known)
        )

    def _problems(self, now_s: float) -> Iterator[str]:
        silence = now_s - self._spoken_at
        if silence > SILENT_AFTER_S:
            yield f"No worker has been heard of for {silence:.0f} s: figures and decisions stand still until one is."
            return
        missing = [name for name, at in self._held_at.items() if now_s - at > SILENT_AFTER_S]
        if missing:
            names = ", ".join(map(str, missing))
            yield f"No worker holds partition {names}: figures of its campaigns stand still."
        for _, (_, status) in sorted(self._known.items()):
            if (
                status.partitions
            ):  # a worker beyond the number of partitions is never ready, and is no problem
                for reason in status.reasons:
                    yield f"{reason[:1].upper()}{reason[1:]} (worker {status.worker})."


def _words(age_ms: int) -> str:
    """A time span in words.

    >>> _words(61_000), _words(7_500_000)
    ('61 s', '2 h 5 min')
    """
    minutes = age_ms // 60_000
    if minutes < 2:
        return f"{age_ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
