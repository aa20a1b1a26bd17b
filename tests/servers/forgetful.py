"""The real worker with one fault: it loses the verdict of the first click it takes in.

``python -m tests.servers.forgetful worker``. It shows that the ledger's own check is not one that cannot fail.
"""

from collections.abc import Sequence

from streams import topics
from streams.__main__ import main
from streams.decoding import SourceRecord
from streams.intake import Intake


def forget_one() -> None:
    """Wrap the worker's intake."""
    process = Intake.process
    is_done = False

    def forgetful(self: Intake, topic: str, records: Sequence[SourceRecord], now: int) -> None:
        nonlocal is_done
        process(self, topic, records, now)
        if topic == topics.CLICKS and not is_done:
            is_done = True
            self.ledger[topic].applied -= 1

    Intake.process = forgetful  # type: ignore[method-assign]


if __name__ == "__main__":
    forget_one()
    main()
