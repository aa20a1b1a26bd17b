"""Evidence on a campaign's targets that stays valid however often one looks (docs/budget.md). Pure; knows no budget."""

from metrics.evidence.assessing import Arrived, Course, EvidenceOptions, assess, assess_course, course_of
from metrics.evidence.ledger import Ledger, renewed
from metrics.evidence.martingale import log_e_above, log_e_below
from metrics.evidence.refunds import RefundWindow
from metrics.evidence.shape import UNLEARNED, Shape, learn, unlearned

__all__ = [
    "UNLEARNED",
    "Arrived",
    "Course",
    "EvidenceOptions",
    "Ledger",
    "RefundWindow",
    "Shape",
    "assess",
    "assess_course",
    "course_of",
    "learn",
    "log_e_above",
    "log_e_below",
    "renewed",
    "unlearned",
]
