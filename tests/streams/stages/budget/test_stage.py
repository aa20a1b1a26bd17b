"""The controller's step in slices: nothing is lost between the pauses, and none does much at a stretch."""

from types import SimpleNamespace

from metrics.values.time import MINUTE
from streams import topics
from tests.bench.bench_controller import NOW, board_of, records

CAMPAIGNS = 1_000


def drained(slices):
    return sum(1 for _ in slices)


def test_a_step_in_slices_is_the_step_at_once():
    one, other = board_of(CAMPAIGNS), board_of(CAMPAIGNS)
    for log in (one, other):
        log.stage.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0, spend=60))
    drained(one.stage.work(NOW))
    assert one.checkpoint(NOW) == other.checkpoint(NOW)
    assert one.stage.board == other.stage.board


def test_what_comes_between_the_pauses_waits_for_the_next_step_and_so_does_its_offset():
    log = board_of(CAMPAIGNS)
    controller = log.stage
    controller.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0))
    work = log.stage.work(NOW)
    next(work)
    later = records([3], NOW + MINUTE, CAMPAIGNS, spend=70)
    controller.take(topics.CAMPAIGN_KPIS, 0, later)
    drained(work)
    first = log.checkpoint(NOW)
    log.confirm(first.sequence)
    assert controller.board.campaigns["c-3"].latest.revision == 4
    assert log.is_dirty
    restored = board_of(CAMPAIGNS)
    # The first checkpoint wrote the others; this one what came in between.
    restored.restore(first.entries)
    restored.restore(log.checkpoint(NOW + MINUTE).entries)
    assert restored.stage.offsets[topics.CAMPAIGN_KPIS, 0] == CAMPAIGNS + 1
    assert restored.stage.board.campaigns["c-3"].latest.revision == CAMPAIGNS + 1


def test_offsets_of_a_checkpoint_are_those_at_the_beginning_of_its_step():
    log = board_of(1)
    log.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
    work = log.stage.work(NOW)
    next(work)
    log.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 1))
    drained(work)
    entries = log.checkpoint(NOW).entries
    crashed = board_of(1)
    crashed.restore(entries)
    assert crashed.stage.offsets[topics.CAMPAIGN_KPIS, 0] == 1


def test_thousands_of_campaigns_are_looked_at_a_hundred_at_a_time():
    log = board_of(CAMPAIGNS)
    log.stage.take(topics.CAMPAIGN_KPIS, 0, records(range(CAMPAIGNS), NOW, 0))
    registering, absorbing, judging, encoding, showing = (
        CAMPAIGNS // size for size in (100, 100, 100, 200, 25)
    )
    assert drained(log.stage.work(NOW)) >= registering + absorbing + judging + encoding + showing


def test_every_card_is_shown_again_when_asked_for_and_only_then():
    log = board_of(10)
    log.checkpoint(NOW)
    assert log.checkpoint(NOW).views.cards == []
    log.stage.show_all()
    assert log.is_dirty
    assert len(log.checkpoint(NOW).views.cards) == 10


def test_records_that_cannot_be_read_are_dead_letters_and_what_is_among_them_is_not():
    log = board_of(1)
    word = b'{"decision_id":"d","campaign_id":"c-0","verb":"pause","occurred_at":%d}' % NOW
    alert = (
        b'{"alert_id":"a","campaign_id":"c-0","rule":"R","status":"firing","starts_at":%d,"received_at":%d}'
    )
    wrong = [
        b"", b"\xff\xfe", b"[]", b"null", b'{"verb":"pause"}', word.replace(b"pause", b"spend"), word.replace(b"c-0", b""),
        word[:-1] + b',"budget":-5}', word[:-1] + b',"budget":1e99999999}', word[:-1] + b',"budget":"NaN"}', b'{"a":' * 2_000, alert % (NOW, 1 << 62), alert.replace(b"firing", b"on") % (NOW, NOW),
    ]  # fmt: skip
    for topic, right in ((topics.BUDGET_DECISIONS, word), (topics.BUDGET_ALERTS, alert % (NOW, NOW))):
        values = [*wrong, None, right]
        records_of = [SimpleNamespace(offset=at, key=None, value=value) for at, value in enumerate(values)]
        log.stage.take(topic, 0, records_of)
        assert log.stage.offsets[topic, 0] == len(values)
    drained(log.stage.work(NOW))
    outputs = log.checkpoint(NOW).outputs
    actions = [output.value for output in outputs if output.topic == topics.BUDGET_ACTIONS]
    assert [b'"verb":"pause"' in value for value in actions] == [True]
    assert sum(output.topic == topics.DEAD_LETTERS for output in outputs) == 23
    assert list(log.stage.board.campaigns) == ["c-0"]
