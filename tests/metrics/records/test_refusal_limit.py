"""The dead-letter limit: in a row, by share, what does not count, and what an operator lets pass."""

import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.refusal_limit import Acceptance, RefusalGuard, RefusalLimit, TooManyRefusedError
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from tests.laws.machine import Record


def guard(limit: RefusalLimit, accepted: int = 0) -> RefusalGuard:
    return RefusalGuard("leads-0", limit, Acceptance(accepted))


def test_more_than_the_share_of_the_last_window_stops():
    counting = guard(RefusalLimit(in_a_row=10_000, share=0.5, window=100))
    for offset in range(0, 100, 2):
        counting.refused(offset, "broken")
    counting.read(100)  # half of them: not more than the share
    for offset in range(100, 200, 2):
        counting.refused(offset, "broken")
    counting.refused(199, "broken")
    with pytest.raises(TooManyRefusedError, match="of the last 100 records"):
        counting.read(100)


def test_a_small_source_that_is_all_broken_is_stopped_by_the_row_not_by_the_share():
    counting = guard(RefusalLimit(in_a_row=50, share=0.1, window=2_000))
    for offset in range(49):
        counting.refused(offset, "broken")
        counting.read(1)
    with pytest.raises(TooManyRefusedError, match="50 records in a row"):
        counting.refused(49, "broken")


def test_what_is_accepted_counts_neither_in_the_row_nor_in_the_share():
    counting = guard(RefusalLimit(in_a_row=3, share=0.1, window=10), accepted=20)
    for offset in range(20):
        counting.refused(offset, "broken")
    counting.read(20)
    counting.refused(20, "broken")
    counting.refused(21, "broken")
    with pytest.raises(TooManyRefusedError):
        counting.refused(22, "broken")


def test_facts_that_are_too_late_do_not_count():
    limit = RefusalLimit(in_a_row=2, share=0.1, window=2)
    options = IntakeOptions(1, 300_000, 86_400_000, 1_000, 86_400_000, refusal_limit=limit)
    intake = IntakeStage(0, options, CampaignRegistry("EUR"))
    intake.set_idle({"ad-impressions", "leads", "orders"})
    day = 86_400_000
    times = [100 * day, *range(50)]
    for offset, at in enumerate(times):
        value = b'{"event_id":"%d","occurred_at":%d,"campaign_id":"c"}' % (offset, at)
        intake.process("ad-clicks", [Record(offset, 101 * day, None, value)], 0)
    assert intake.ledger["ad-clicks"].too_late == 50
