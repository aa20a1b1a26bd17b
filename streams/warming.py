"""Compiling the kernels before the first record, or loading them where an earlier start has compiled them.

`python -m streams.warming` does it ahead of the first start.
"""

import logging
import time

import numpy as np

from metrics.attribution.journeys import Columns, TouchStore, Watchlist
from metrics.attribution.models import MODELS, Rules
from metrics.contribution import Contribution
from metrics.dedupe import SeenIds
from metrics.folding import fold_ads
from metrics.kernels.memory import PADDING
from metrics.panes import Panes, horizon
from metrics.tally import Tally
from streams import topics
from streams.frames import unframe
from streams.journeys import Batch, Journeys
from streams.slab import Record, RecordSlab

log = logging.getLogger(__name__)

_CLICK = b'{"event_id":"e","occurred_at":0,"campaign_id":"c","visitor_id":"v","cost":"0.1","currency":"EUR"}'
_NOTABLE_S = 3.0


def warm_up() -> None:
    """Run every kernel once, on almost nothing."""
    started = time.monotonic()
    log.info(
        "Loading the compiled kernels; the first time on a machine they are compiled, which takes some seconds."
    )
    slab = RecordSlab.of([Record(0, 0, None, _CLICK)])
    ads = slab.ads(topics.CLICKS)
    fold_ads(Panes(), ads, np.arange(1), horizon(None), is_click=True)
    seen = SeenIds(max_events=1, window_ms=1)
    seen.admit(ads.ids, np.zeros(1, dtype=np.bool_), ads.at)
    seen.remember(ads.ids + np.uint64(1), 0)
    seen.contains(ads.ids)
    seen.checkpoint(1, 0)
    seen.checkpoint(2, 10)
    column, spans = np.empty(0, dtype=np.int64), np.empty((2, 0), dtype=np.int64)
    nothing = np.frombuffer(bytes(PADDING), dtype=np.uint8)
    unframe(nothing, 0, 0, np.zeros(4, dtype=np.int64), 0, column, column, spans, spans)
    _warm_journeys()
    if time.monotonic() - started > _NOTABLE_S:
        log.info("Compiled in %.0f s; the next start loads them.", time.monotonic() - started)


def _warm_journeys() -> None:
    visitors, at = np.ones(5_000, dtype=np.uint64), np.zeros(5_000, dtype=np.int64)
    places = np.zeros(5_000, dtype=np.int32)
    store = TouchStore(1)
    for _ in range(3):  # room for all of them is made, and made again
        store.insert(Columns(visitors, at, places))
    store.of(1, 0, 1)
    store.visitors  # noqa: B018 - counting is a kernel too
    store.count_steps(places, 1, np.empty(0, dtype=np.uint64))
    store.erase(1)
    _warm_credits()
    watched = Watchlist()
    watched.note(visitors, at)
    watched.earlier(visitors, at)
    watched.forget_before(0)


def _warm_credits() -> None:
    journeys = Journeys(Rules(models=MODELS))
    column = np.zeros(2, np.int32)
    touches = Batch(
        np.full(2, 2, np.uint64), np.arange(2), np.arange(2, dtype=np.int32), "ab", column - 1, ()
    )
    journeys.touch(touches, is_click=True)
    journeys.convert("o|1", 3, [2], [Contribution("", 3, Tally(orders=1, revenue_micros=1))], 3)
    journeys.settle(3)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warm_up()
