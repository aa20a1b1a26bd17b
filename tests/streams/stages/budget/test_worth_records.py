"""The board reads what customers are worth from `customer-kpis`: once, whatever crashes, and what cannot be read is a dead letter."""

from types import SimpleNamespace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.budget.policy import parse
from metrics.customers.worth_looks import level_of
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.time import format_instant
from streams import topics
from streams.stages.budget.stage import BudgetStage
from streams.state.store import StateStore
from tests.bench.bench_controller import NOW, records
from tests.metrics.budget import test_worth
from tests.support.examples import examples

BEFORE, UNKNOWN, CONFIRMED = range(3)


def opened(changelog):
    """The next owner of the board of one campaign, at the live edge."""
    registry = CampaignRegistry("EUR")
    wanted = {"campaign_id": "c-0", "budget": 1_000, "targets": {"clv_to_cac": 1.5}}
    registry.register("c-0", msgspec.convert(wanted, Campaign))
    policies = parse({"mature_after": "0s"})
    store = StateStore(BudgetStage(policies, "enforce", "EUR", registry, 1, lambda: NOW), NOW)
    store.restore(list(changelog.items()))
    store.take_over()
    store.stage.is_live = True
    return store


def worth(offset, low, high, look, cohort="total", model="declared"):
    """A record of `customer-kpis` as it lies on the topic; the next revision has the next offset."""
    record = test_worth.customers(low, high, look, at=test_worth.NOW + offset, spend=50, cohort=cohort)
    told = {"campaign_id": "c-0", "watermark": format_instant(NOW), "model": model}
    record = msgspec.structs.replace(record, **told)
    return SimpleNamespace(offset=offset, key=b"c-0", value=msgspec.json.encode(record))


ends = st.tuples(st.floats(0, 3), st.floats(0, 3)).map(sorted)


@examples(1)
@given(
    st.lists(st.tuples(ends, st.integers(0, 3), st.sampled_from(["total", "2026-11"])), max_size=6),
    st.lists(st.sampled_from([BEFORE, UNKNOWN, CONFIRMED]), min_size=6, max_size=6),
)
def test_what_is_known_of_customers_and_done_about_it_is_the_same_whatever_crashes(said, crashes):
    written = [worth(at, *ends, look, cohort) for at, (ends, look, cohort) in enumerate(said)]
    found = []
    for deaths in (crashes, [CONFIRMED] * len(crashes)):
        changelog, sent = {}, []
        store = opened(changelog)
        for heard, crash in [
            *zip(range(1, len(written) + 1), deaths, strict=False),
            (len(written), CONFIRMED),
        ]:
            store.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
            store.stage.take(topics.CUSTOMER_KPIS, 0, written[:heard])
            made = store.checkpoint(NOW)
            if crash != BEFORE:
                changelog |= dict(made.entries)
                sent += [msgspec.json.decode(output.value)["action_id"] for output in made.outputs]
            if crash == CONFIRMED:
                store.confirm(made.sequence)
            else:
                store = opened(changelog)
        state = store.stage.board.campaigns["c-0"]
        assert len(set(sent)) == len(sent)
        found.append((state.worth, len(sent) > 0))
    (known, _), (wanted, _) = found
    assert known == wanted
    newest = [each for each in said if each[2] == "total"]
    assert (wanted is not None) == bool(newest)
    if newest and newest[-1][1]:
        assert (wanted.look, wanted.level) == (newest[-1][1], level_of(newest[-1][1]))


def test_a_board_that_died_before_its_checkpoint_pauses_once():
    store = opened({})
    written = [worth(0, 1.0, 1.2, 1)]
    for _ in range(2):  # the first owner dies before the append
        store = opened({})
        store.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
        store.stage.take(topics.CUSTOMER_KPIS, 0, written)
        made = store.checkpoint(NOW)
        rules = [msgspec.json.decode(output.value)["rule"] for output in made.outputs]
        assert rules == ["evidence:clv_to_cac"]
    again = opened(dict(made.entries))
    again.stage.take(topics.CUSTOMER_KPIS, 0, written)
    assert again.checkpoint(NOW).outputs == []
    assert again.stage.board.campaigns["c-0"].column == "hold"


def test_a_record_of_customers_that_cannot_be_read_is_a_dead_letter():
    store = opened({})
    broken = b'{"model":"declared","cohort":"total"}'
    at = worth(1, 1.0, 1.2, 1)
    store.stage.take(topics.CUSTOMER_KPIS, 0, [SimpleNamespace(offset=0, key=b"c-0", value=broken), at])
    store.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
    outputs = store.checkpoint(NOW).outputs
    assert [output.topic for output in outputs if output.topic == topics.DEAD_LETTERS] == [
        topics.DEAD_LETTERS
    ]
    assert store.stage.board.campaigns["c-0"].worth.look == 1


def test_what_a_model_says_of_customers_is_not_judged_by():
    said = [worth(0, 2.0, 2.2, 1), worth(1, 1.0, 1.2, 2, model="linear")]
    found = []
    for heard in (said[:1], said):
        store = opened({})
        store.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
        store.stage.take(topics.CUSTOMER_KPIS, 0, heard)
        made = [msgspec.json.decode(output.value) for output in store.checkpoint(NOW).outputs]
        found.append(([each["rule"] for each in made], store.stage.board.campaigns["c-0"].worth))
    assert found[0] == found[1]
    assert found[1][1].look == 1
