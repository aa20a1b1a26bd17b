"""Ledgers as earlier builds kept them."""

import msgspec
import numpy as np

from metrics.evidence import Ledger
from metrics.evidence.ledger import SIZE, WEEKDAY_DUE
from metrics.kernels.evidence import WEEK


def of_format_3(ledger: Ledger, end: int = SIZE) -> Ledger:
    """The same up to a place in the row of today: what was due by weekday was kept under the one lag of then, here none."""
    row = ledger.sums[:end]
    shorter = np.delete(row, np.arange(WEEKDAY_DUE.start + WEEK, WEEKDAY_DUE.stop))
    return msgspec.structs.replace(ledger, numbers=shorter.tobytes())
