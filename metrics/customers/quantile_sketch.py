"""Quantiles of times from counts by bucket, which add up and can be taken back: DDSketch.

Masson, Rim and Lee, DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees, *Proceedings of the
VLDB Endowment* 12 (12), 2019. Buckets are counted and never collapsed: there are some 1 200 of them up to ``LONGEST``, so that the
guarantee holds for every quantile, the sketch of a union is the sum of sketches, and what was counted can be subtracted.
"""

import math
from collections.abc import Mapping

from metrics.values.time import DAY

#: A quantile is at most this part of itself away from the time that has its rank.
RELATIVE_ERROR = 0.01
#: Longer times count as this one, in ms: some fourteen years.
LONGEST = 5_000 * DAY
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket_of(duration: int) -> int:
    """The bucket of a time in ms: 0 up to one millisecond, else ⌈log_γ duration⌉ with γ = (1 + error) / (1 − error).

    >>> bucket_of(0), bucket_of(1), bucket_of(2), bucket_of(LONGEST) == bucket_of(10 * LONGEST)
    (0, 0, 35, True)
    """
    return 0 if duration <= 1 else math.ceil(math.log(min(duration, LONGEST)) / _LOG_GAMMA)


def time_in(bucket: int) -> float:
    """The time in ms that stands for a bucket: no time of it is further away than ``RELATIVE_ERROR`` of itself.

    >>> abs(time_in(bucket_of(3_600_000)) / 3_600_000 - 1) <= RELATIVE_ERROR
    True
    """
    return 1.0 if bucket == 0 else 2 * _GAMMA**bucket / (_GAMMA + 1)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The time in ms below which a share of the counted times lies: of rank ⌊share · (n − 1)⌋, counted from 0.

    Args:
        counts: how many times, by bucket.
        share: from 0 to 1.

    Returns:
        None where nothing is counted.

    >>> quantile({}, 0.5) is None, quantile({bucket_of(1_000): 3, bucket_of(9_000): 1}, 0.5) == time_in(bucket_of(1_000))
    (True, True)
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank, passed = math.floor(share * (total - 1)), 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed > rank:
            return time_in(bucket)
    raise AssertionError("ranks end with the last bucket")
