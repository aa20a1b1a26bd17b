"""What a state knows of its logs and of the other stages, and the sentences for what is not so any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.errors import StateError
from streams import topics
from streams.catalogues import translated
from streams.commands.recover import Examined
from streams.runtime.lineage import Found, adopt, compare_shown, introduce, refuse, states_and_logs
from streams.settings import Settings
from streams.state.checkpoint import Version
from streams.state.lineage import (
    Difference,
    LogFacts,
    LogMark,
    LogState,
    Marks,
    Named,
    Reached,
    compare_log,
    compare_registry,
    compare_states,
    registry_identity,
    registry_read,
)
from tests.laws.facts import T0
from tests.laws.machine import INTAKE, MERGE
from tests.streams.state.test_store import busy_machine, header_of

OLD, NEW = b"o" * 16, b"n" * 16
MARK = LogMark(40, 3, 77)
SETTINGS = Settings(topic_prefix="x-", partitions=2)


def differs(known: LogState, facts: LogFacts) -> Difference | None:
    return compare_log(topics.CLICKS, 1, known, facts, "x-ad-clicks")


def test_a_log_that_has_only_grown_does_not_differ():
    assert differs(LogState(OLD, 50, MARK), LogFacts(OLD, 0, 90, MARK)) is None
    assert differs(LogState(OLD, 50, MARK), LogFacts(OLD, 41, 50)) is None, "retention took what was read"
    assert differs(LogState(None, None, None), LogFacts(NEW, 0, 90)) is None, "a state of an earlier build"
    assert differs(LogState(OLD, 0, None), LogFacts(None, 0, 9)) is None, "a broker without ids of topics"


def test_a_topic_of_another_id_was_made_anew_and_is_read_from_its_start():
    found = differs(LogState(OLD, 50, MARK), LogFacts(NEW, 0, 90, MARK))
    assert "x-ad-clicks was deleted and made anew" in found.sentence
    assert (found.remedy, found.offset) == ("accept", 0)


def registry_differs(known: LogFacts, facts: LogFacts) -> Difference | None:
    return compare_registry(
        topics.CAMPAIGNS, registry_identity(topics.CAMPAIGNS, known), facts, "x-campaigns"
    )


def test_a_registry_that_was_made_anew_or_has_lost_its_oldest_records_is_not_the_one_of_the_state():
    known = LogFacts(OLD, 0, 9)
    assert registry_differs(known, LogFacts(OLD, 0, 12)) is None
    assert registry_differs(LogFacts(OLD, 4, 9), LogFacts(OLD, 4, 9)) is None, "it had begun there before"
    assert registry_differs(known, LogFacts(None, 0, 9)) is None, "a broker without ids of topics"
    assert compare_registry(topics.CAMPAIGNS, {}, LogFacts(NEW, 3, 9), "x-campaigns") is None, (
        "an earlier build"
    )
    anew = registry_differs(known, LogFacts(NEW, 0, 9))
    assert "x-campaigns was deleted and made anew: figures would follow" in anew.sentence
    lost = registry_differs(known, LogFacts(OLD, 5, 9))
    assert "x-campaigns begins at 5, and began at 0 for the state" in lost.sentence
    assert (anew.remedy, anew.offset, lost.remedy, lost.offset) == ("accept", None, "accept", None)


def test_a_registry_that_ends_below_what_was_followed_has_lost_its_newest_records():
    """A rate that was withdrawn or corrected there would be the old one again, without a word."""
    known = LogFacts(OLD, 0, 9)
    assert registry_differs(known, LogFacts(OLD, 0, 9)) is None
    lost = registry_differs(known, LogFacts(OLD, 0, 7))
    assert "x-campaigns ends at 7, and was followed up to 9" in lost.sentence
    assert (lost.remedy, lost.offset) == ("accept", None)
    before = {topics.CAMPAIGNS: OLD}
    assert compare_registry(topics.CAMPAIGNS, before, LogFacts(OLD, 0, 7), "x-campaigns") is None, (
        "a state of an earlier build, which did not keep it"
    )


def test_records_that_are_gone_before_they_were_read_are_counted():
    found = differs(LogState(OLD, 50, MARK), LogFacts(OLD, 60, 90))
    assert "begins at 60, the state ends at 50: 10 records are lost" in found.sentence
    assert (found.remedy, found.offset) == ("accept", 60)


def test_a_log_that_ends_below_the_offset_was_truncated():
    found = differs(LogState(OLD, 50, MARK), LogFacts(OLD, 0, 45, MARK))
    assert "the state ends at 50, the log already at 45" in found.sentence
    assert (found.remedy, found.offset) == ("accept", 45)


@pytest.mark.parametrize("other", [LogMark(40, 4, 77), LogMark(40, 3, 78), LogMark(38, 3, 77), None])
def test_another_batch_below_the_offset_is_a_log_that_was_truncated(other):
    found = differs(LogState(OLD, 50, MARK), LogFacts(OLD, 0, 90, other))
    assert "the log holds other records than the state has read (at 40)" in found.sentence
    assert found.remedy == "rebuild"


@given(
    bases=st.lists(st.integers(0, 200), min_size=1, max_size=30, unique=True).map(sorted),
    cuts=st.lists(st.integers(0, 220), max_size=8).map(sorted),
)
def test_the_mark_is_the_last_batch_that_begins_below_the_offset(bases, cuts):
    marks = Marks()
    marks.note("t", [LogMark(base, 0, base) for base in bases])
    for cut in cuts:
        below = [base for base in bases if base < cut]
        assert {each.offset for each in marks.at({"t": cut}).values()} == set(below[-1:])


def named(name, reached, **others):
    return Named(f"x-{name}-0", reached, others)


def test_states_that_know_each_other_do_not_differ_also_where_one_has_gone_on():
    one = named(INTAKE, Reached(1, 2, 9), merge=Reached(5, 2, 7))
    other = named(MERGE, Reached(5, 3, 8), intake=Reached(1, 2, 9))
    assert compare_states({INTAKE: one, MERGE: other}) == []
    assert compare_states({INTAKE: named(INTAKE, Reached(1, 1, 1)), MERGE: named(MERGE, None)}) == []


def test_a_state_of_another_birth_or_none_at_all_differs():
    one = named(INTAKE, Reached(1, 2, 9), merge=Reached(5, 2, 7))
    (empty,) = compare_states({INTAKE: one, MERGE: named(MERGE, None)})
    (other,) = compare_states({INTAKE: one, MERGE: named(MERGE, Reached(6, 1, 1))})
    assert "x-merge-0 is empty, and x-intake-0 goes on from its checkpoint 7" in empty.sentence
    assert "x-merge-0 is not the one that x-intake-0 was made with" in other.sentence
    assert empty.remedy == other.remedy == "rebuild"


@pytest.mark.parametrize("reached", [Reached(5, 2, 6), Reached(5, 1, 8)])
def test_a_state_that_ends_before_what_another_has_seen_of_it_differs(reached):
    one = named(INTAKE, Reached(1, 2, 9), merge=Reached(5, 2, 7))
    (found,) = compare_states({INTAKE: one, MERGE: named(MERGE, reached)})
    assert (
        f"ends with checkpoint {reached.sequence}, and x-intake-0 has seen its checkpoint 7" in found.sentence
    )
    assert found.remedy == "rebuild"


def facts_of(stores, topic_id=OLD):
    names = (
        *topics.INTAKE_INPUTS,
        topics.PARTIALS,
        topics.CAMPAIGN_KPIS,
        topics.ROLLUP_KPIS,
        topics.CUSTOMER_KPIS,
        *topics.REGISTRIES,
    )
    return {(SETTINGS.topic(name), 0): LogFacts(topic_id, 0, 10**6) for name in names}


def known_machine():
    """A partition whose stages know each other and the ids of their topics."""
    machine = busy_machine()
    stores = {INTAKE: machine.stages[INTAKE, 0], MERGE: machine.stages[MERGE, 0]}
    introduce(stores)
    for store in stores.values():
        names = (
            *topics.INTAKE_INPUTS,
            topics.PARTIALS,
            topics.CAMPAIGN_KPIS,
            topics.ROLLUP_KPIS,
            topics.CUSTOMER_KPIS,
        )
        store.lineage.know(dict.fromkeys(names, OLD))
    adopt(SETTINGS, {0: stores}, facts_of(stores))
    machine.settle()
    return machine, stores


def restored(machine):
    """The stages as the next owner reads them back."""
    found = {}
    for stage in (INTAKE, MERGE):
        fresh = type(machine)(2, models=("linear", "markov"), trusts_keys=False)
        found[stage] = fresh.stages[stage, 0]
        found[stage].restore(machine.changelogs[stage, 0].items())
    return found


@pytest.mark.parametrize("name", topics.REGISTRIES)
def test_registries_are_known_from_the_first_start_on_and_accepted_as_they_are(name):
    machine, stores = known_machine()
    facts = facts_of(stores)
    again = restored(machine)
    other = facts | {(SETTINGS.topic(name), 0): LogFacts(NEW, 0, 3)}
    assert states_and_logs(SETTINGS, {0: again}, facts) == []
    ((partition, found),) = states_and_logs(SETTINGS, {0: again}, other)
    assert (partition, found.remedy, f"x-{name} was deleted" in found.what) == (0, "accept", True)
    adopt(SETTINGS, {0: again}, other)
    assert states_and_logs(SETTINGS, {0: again}, other) == []


@pytest.mark.parametrize("name", topics.REGISTRIES)
def test_a_registry_is_known_up_to_the_last_record_that_was_followed(name):
    machine, stores = known_machine()
    end = facts_of(stores)[SETTINGS.topic(name), 0].end
    stores[MERGE].lineage.know(registry_read(name, end + 5))
    machine.produce(topics.CLICKS, "v", {"event_id": "late", "occurred_at": T0, "campaign_id": "c"}, T0)
    machine.run()
    machine.settle()
    again = restored(machine)
    grown = facts_of(again) | {(SETTINGS.topic(name), 0): LogFacts(OLD, 0, end + 5)}
    assert states_and_logs(SETTINGS, {0: again}, grown) == []
    truncated = facts_of(again)
    ((_, found),) = states_and_logs(SETTINGS, {0: again}, truncated)
    assert f"x-{name} ends at {end}, and was followed up to {end + 5}" in found.what
    adopt(SETTINGS, {0: again}, truncated)
    assert states_and_logs(SETTINGS, {0: again}, truncated) == []


def test_what_a_state_knows_is_read_back():
    machine, stores = known_machine()
    again = restored(machine)
    assert again[INTAKE].lineage.topic_ids == stores[INTAKE].lineage.topic_ids
    for stage, other in ((INTAKE, MERGE), (MERGE, INTAKE)):
        assert again[stage].others[other].birth == stores[other].birth
        assert again[stage].reached == stores[stage].reached
    header = header_of(machine.changelogs[INTAKE, 0].items())
    assert T0 < header["written"] <= machine.now
    assert states_and_logs(SETTINGS, {0: again}, facts_of(again)) == []


@pytest.mark.parametrize("name", [topics.PARTIALS, topics.REKEYED])
def test_what_stages_sent_each_other_and_is_lost_is_computed_anew(name):
    machine, _ = known_machine()
    again = restored(machine)
    facts = facts_of(again) | {(SETTINGS.topic(name), 0): LogFacts(NEW, 0, 10**6)}
    ((partition, found),) = states_and_logs(SETTINGS, {0: again}, facts)
    assert (partition, found.remedy) == (0, "rebuild")
    assert f"{SETTINGS.topic(name)} was deleted and made anew" in found.sentence


@pytest.mark.parametrize("name", [topics.CAMPAIGN_KPIS, topics.ROLLUP_KPIS, topics.CUSTOMER_KPIS])
def test_readings_that_are_gone_are_computed_anew(name):
    machine, _ = known_machine()
    again = restored(machine)
    facts = facts_of(again) | {(SETTINGS.topic(name), 0): LogFacts(NEW, 0, 5)}
    ((_, found),) = states_and_logs(SETTINGS, {0: again}, facts)
    assert (
        f"{SETTINGS.topic(name)} was deleted and made anew: windows that do not change any more are missing"
        in found.sentence
    )
    assert found.remedy == "rebuild"


def test_views_that_were_shown_more_than_the_state_knows_differ():
    _, stores = known_machine()
    merge = stores[MERGE]
    birth, epoch, sequence = merge.reached
    at = Version(epoch, sequence).revision
    for shown in (None, (birth, at), (birth, at - 1), (birth - 1, at + 1)):
        assert compare_shown(SETTINGS, 0, merge, shown) is None
    found = compare_shown(SETTINGS, 0, merge, (birth, at + 1))
    assert "the broker holds an older backup" in found.sentence
    assert found.remedy == "accept"


@pytest.mark.parametrize("order", [1, -1])
def test_what_must_be_computed_anew_is_said_before_what_may_be_accepted_and_how_many_more_there_are(order):
    one, other = Difference("This is lost.", "rebuild"), Difference("That too.", "accept")
    refuse(Found({}, []))
    with pytest.raises(
        StateError, match=r"^This is lost. Stop all workers and run: roistream recover --rebuild .* 1 more"
    ):
        refuse(Found({}, [(0, one), (1, other)][::order]))


def test_what_states_of_several_partitions_find_alike_is_said_once():
    one, other = Difference("A topic was made anew.", "accept"), Difference("Another was too.", "accept")
    found = Found({}, [(0, one), (0, other), (1, one), (2, one)])
    assert found.sentences == Examined({}, [], found).sentences == [one.sentence, other.sentence]
    with pytest.raises(StateError, match=r"^A topic was made anew.* 1 more differ"):
        refuse(found)
    with pytest.raises(StateError) as refused:
        refuse(Found({}, [(0, one), (1, one)]))
    assert str(refused.value) == one.sentence


def test_what_differs_is_said_in_the_readers_language():
    lost = differs(LogState(OLD, 50, MARK), LogFacts(OLD, 51, 90))
    assert translated(lost.sentence, "fr") == (
        "x-ad-clicks-1 : le journal commence à 51, l’état s’arrête à 50 : 1 enregistrement perdu. Allongez la rétention du topic. "
        "Arrêtez tous les workers, puis lancez : roistream recover --accept (docs/operations.md)."
    )
    several = f"{lost.sentence} 2 more differ: roistream doctor lists them."
    assert translated(several, "fr").endswith("2 autres écarts : roistream doctor les énumère.")
    others = (
        differs(LogState(OLD, 50, MARK), LogFacts(NEW, 0, 90, MARK)),
        differs(LogState(OLD, 50, MARK), LogFacts(OLD, 0, 45, MARK)),
        differs(LogState(OLD, 50, MARK), LogFacts(OLD, 0, 90, LogMark(40, 3, 78))),
    )
    for each in others:
        said = translated(each.sentence, "fr")
        assert "Arrêtez tous les workers" in said
        assert "the " not in said
