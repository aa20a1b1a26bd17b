"""The ledger: what became of every record read, per source topic of one partition (docs/contract.md, The ledger)."""

import msgspec


class LedgerCounts(msgspec.Struct, array_like=True):
    """Records read since the start of the state, by outcome; they add up to the records read."""

    applied: int = 0
    duplicate: int = 0
    rejected: int = 0
    too_late: int = 0
    conflict: int = 0

    @property
    def read(self) -> int:
        """All records read."""
        return self.applied + self.duplicate + self.rejected + self.too_late + self.conflict
