"""The controller's step in slices: nothing is lost between the pauses, and none does much at a stretch."""

from metrics.timeline import MINUTE
from streams import topics
from tests.bench.bench_controller import NOW, controller_of, records

CAMPAIGNS = 1_000


def drained(slices):
    return sum(1 for _ in slices)


def test_a_step_in_slices_is_the_step_at_once():
    one, other = controller_of(CAMPAIGNS), controller_of(CAMPAIGNS)
    for log in (one, other):
        log.controller.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0, spend=60))
    drained(one.slices(NOW))
    assert one.checkpoint(NOW) == other.checkpoint(NOW)
    assert one.controller.board == other.controller.board


def test_what_comes_between_the_pauses_waits_for_the_next_step_and_so_does_its_offset():
    log = controller_of(CAMPAIGNS)
    controller = log.controller
    controller.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0))
    work = log.slices(NOW)
    next(work)
    later = records([3], NOW + MINUTE, CAMPAIGNS, spend=70)
    controller.take(topics.CAMPAIGN_KPIS, 0, later)
    drained(work)
    log.confirm(log.checkpoint(NOW).sequence)
    assert controller.board.campaigns["c-3"].latest.revision == 4
    assert log.is_dirty
    restored = controller_of(CAMPAIGNS)
    # The first checkpoint wrote the others; this one what came in between.
    restored.restore(log.checkpoint(NOW + MINUTE).entries)
    assert restored.controller.offsets[topics.CAMPAIGN_KPIS, 0] == CAMPAIGNS + 1
    assert restored.controller.board.campaigns["c-3"].latest.revision == CAMPAIGNS + 1


def test_offsets_of_a_checkpoint_are_those_at_the_beginning_of_its_step():
    log = controller_of(1)
    log.controller.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
    work = log.slices(NOW)
    next(work)
    log.controller.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 1))
    drained(work)
    entries = log.checkpoint(NOW).entries
    crashed = controller_of(1)
    crashed.restore(entries)
    assert crashed.controller.offsets[topics.CAMPAIGN_KPIS, 0] == 1


def test_thousands_of_campaigns_are_looked_at_a_hundred_at_a_time():
    log = controller_of(CAMPAIGNS)
    log.controller.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0))
    registering, absorbing, judging, encoding, showing = (
        CAMPAIGNS // size for size in (100, 100, 100, 200, 25)
    )
    assert drained(log.slices(NOW)) >= registering + absorbing + judging + encoding + showing


def test_every_card_is_shown_again_when_asked_for_and_only_then():
    log = controller_of(10)
    log.checkpoint(NOW)
    log.checkpoint(NOW)
    assert log.cards == []
    log.show_all()
    assert log.is_dirty
    log.checkpoint(NOW)
    assert len(log.cards) == 10
