"""The real worker with a stage that can be held still: ``python -m tests.support.servers.standing_still worker``.

STANDSTILL names a file; what is written into it is held from then on: ``consumer`` hands out no partials any more, ``thread`` blocks
the consumer's thread, ``loop`` blocks the event loop in stage merge. Production code knows nothing of this.
"""

import os
import time
from pathlib import Path
from typing import Any

from streams.__main__ import main
from streams.stages.merge.stage import MergeStage
from streams.topics import PARTIALS
from streams.transport import batch_consumer

FILE = Path(os.environ.get("STANDSTILL", "/nowhere"))
_FOR_S = 3_600


def held() -> str:
    return FILE.read_text() if FILE.exists() else ""


_drain, _process = batch_consumer._drain, MergeStage.process


def drain(fetcher: Any, active: Any, settings: Any) -> Any:
    if held() == "thread":
        time.sleep(_FOR_S)
    if held() == "consumer":
        time.sleep(0.05)  # what waits in the fetcher would else be offered without a pause
        active = {tp for tp in active if tp.topic != settings.topic(PARTIALS)}
    return _drain(fetcher, active, settings)


def process(self: MergeStage, records: Any) -> None:
    if held() == "loop":
        time.sleep(_FOR_S)
    _process(self, records)


if __name__ == "__main__":
    batch_consumer._drain = drain
    MergeStage.process = process  # type: ignore[method-assign]
    main()
