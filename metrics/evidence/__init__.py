"""Evidence on a campaign's targets that stays valid however often one looks (docs/budget.md). Pure; knows no budget."""

from metrics.evidence.assessing import Arrived, EvidenceOptions, assess
from metrics.evidence.dispersion import OrderValues, pooled
from metrics.evidence.martingale import log_e_above, log_e_below

__all__ = [
    "Arrived",
    "EvidenceOptions",
    "OrderValues",
    "assess",
    "log_e_above",
    "log_e_below",
    "pooled",
]
