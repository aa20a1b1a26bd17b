"""The real worker with one fault: it loses the verdict of the first click of each partition.

``python -m tests.support.servers.forgetful worker``. It shows that the ledger's own check is not one that cannot fail.
"""

from collections.abc import Sequence

from streams import topics
from streams.__main__ import main
from streams.messages.decoding import SourceRecord
from streams.stages.intake.stage import IntakeStage


def forget_one() -> None:
    """Wrap the worker's intake."""
    process = IntakeStage.process
    # Of each intake, because the first one only warms the kernels up.
    done: list[IntakeStage] = []

    def forgetful(self: IntakeStage, topic: str, records: Sequence[SourceRecord], now: int) -> None:
        process(self, topic, records, now)
        if topic == topics.CLICKS and not any(each is self for each in done):
            done.append(self)
            self.ledger[topic].applied -= 1

    IntakeStage.process = forgetful  # type: ignore[method-assign]


if __name__ == "__main__":
    forget_one()
    main()
