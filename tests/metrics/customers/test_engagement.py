"""Tickets, contracts and referrals count the same whatever order their records come in, and what a plain count of them says."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.calendar import CustomerCalendar, month_name
from metrics.customers.engagement import (
    ERASED,
    FIRST_RESPONSE,
    RESOLUTION,
    Kind,
    RunningContracts,
    contract_months,
    difference,
    joined,
    of_csat,
    of_nps,
    of_time,
)
from metrics.customers.engagement_figures import (
    COHORT_ENGAGEMENT,
    MONTH_ENGAGEMENT,
    SERVICE_FIGURES,
    EngagementReading,
)
from metrics.customers.quantile_sketch import RELATIVE_ERROR
from metrics.customers.referrals import ReferralEntry, earlier
from metrics.customers.satisfaction import share_interval
from metrics.customers.subscriptions import Begun, SubscriptionEntry, end_of_term, monthly_amount
from metrics.customers.tickets import TicketEntry
from metrics.values.time import DAY, HOUR, MAX_INSTANT, to_millis

ZONE = ZoneInfo("Europe/Paris")
MONTHS = CustomerCalendar(ZONE)
START = to_millis(datetime(2026, 1, 20, tzinfo=UTC))
instants = st.integers(START, START + 300 * DAY)
SOMEBODY, ANOTHER = 1 << 63, (1 << 63) + 1
persons = st.sampled_from([0, SOMEBODY, ANOTHER])
tickets = st.lists(
    st.tuples(st.sampled_from(["opened", "responded", "resolved"]), instants, persons), min_size=1
)
contracts = st.lists(
    st.tuples(
        st.sampled_from(["started", "renewed", "renewed", "cancelled"]),
        instants,
        st.sampled_from(["P1M", "P1Y", "P30D", "P2W"]),
        persons,
        st.sampled_from([(None, None), (9_900_000, None), (120_000_000, None), (7, "USD")]),
    ),
    min_size=1,
    max_size=8,
)


def day(text: str) -> int:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC))


def ticket_of(records) -> TicketEntry:
    entry = TicketEntry()
    for step, at, customer in records:
        entry = entry.with_step(step, at, customer)
    return entry


def contract_of(records) -> SubscriptionEntry:
    entry = SubscriptionEntry()
    for kind, at, term, customer, *amount in records:
        begun = Begun(at, term, *(amount[0] if amount else ()))
        if kind == "started":
            entry = entry.with_start(begun, customer)
        elif kind == "renewed":
            entry = entry.with_renewal(begun, customer)
        else:
            entry = entry.with_cancellation(at, customer)
    return entry


def counted(entries) -> dict[int, Counter]:
    """What several contracts count together, by month and kind."""
    found: dict[int, Counter] = {}
    for entry in entries:
        for (month, kind), number in entry.counts(MONTHS).items():
            found.setdefault(month, Counter())[kind] += number
    return found


@given(tickets, st.randoms())
def test_a_ticket_is_the_same_in_every_order_of_its_records_and_when_they_come_again(records, random):
    again = [*records, *records]
    random.shuffle(again)
    assert ticket_of(again) == ticket_of(records)


@given(contracts, st.randoms())
def test_a_contract_is_the_same_in_every_order_of_its_records_and_when_they_come_again(records, random):
    again = [*records, *records]
    random.shuffle(again)
    assert contract_of(again) == contract_of(records)


@given(st.lists(st.tuples(instants, st.sampled_from([SOMEBODY, ANOTHER])), min_size=1), st.randoms())
def test_who_brought_a_person_is_the_first_who_said_so(said, random):
    shuffled = list(said)
    random.shuffle(shuffled)
    found = None
    for at, customer in shuffled:
        found = earlier(found, ReferralEntry(at, customer))
    assert (found.at, found.customer) == min(said)


@given(tickets)
def test_a_ticket_counts_once_in_the_month_of_its_opening(records):
    entry = ticket_of(records)
    counts = entry.counts(MONTHS)
    opened = [at for step, at, _ in records if step == "opened"]
    if not opened:
        assert counts == {}
        return
    kinds = Counter(kind for _, kind in counts)
    assert {month for month, _ in counts} == {MONTHS.of(min(opened))}
    assert kinds[Kind.TICKETS] == 1
    for step, kind, base, which in (
        ("responded", Kind.ANSWERED, FIRST_RESPONSE, min),
        ("resolved", Kind.RESOLVED, RESOLUTION, max),
    ):
        times = [at for each, at, _ in records if each == step]
        assert kinds[kind] == bool(times)
        if times:
            assert kinds[of_time(base, which(times) - min(opened))] == 1


@given(st.lists(contracts, max_size=5))
def test_months_of_contracts_are_those_of_a_count_of_the_contracts_that_run(several):
    entries = [contract_of(records) for records in several]
    counts = counted(entries)
    over = MONTHS.of(START + 400 * DAY)
    runs = []
    for entry in entries:
        ends = entry.ends_of_terms(ZONE)
        if ends:
            end = ends[-1]
            later = [each for each in entry.renewals if entry.cancelled and each.at > entry.cancelled]
            if entry.cancelled is not None and not later:
                end = min(end, entry.cancelled)
            begun = MONTHS.of(entry.started.at)
            runs.append((begun, max(begun, MONTHS.of(end))))
    for each in contract_months(counts, over):
        month = next(m for m in range(over) if m >= over - 30 and month_name(m) == each.name)
        at_start = [run for run in runs if run[0] < month <= run[1]]
        assert each.at_start == len(at_start)
        assert each.ended == sum(run[1] == month for run in at_start)
        assert each.begun == sum(run[0] == month for run in runs)


@given(st.lists(contracts, max_size=5))
def test_what_contracts_bring_in_a_month_is_that_of_the_terms_that_run_when_it_ends(several):
    entries = [contract_of(records) for records in several]
    counts = counted(entries)
    over = MONTHS.of(START + 400 * DAY)
    for place, each in enumerate(contract_months(counts, over)):
        month = min(m for m in counts if counts[m][Kind.CONTRACTS] or counts[m][Kind.ENDED]) + place
        running, valued, monthly, billed = 0, 0, 0, 0
        for entry in entries:
            terms = entry.terms(ZONE)
            if not terms:
                continue
            end = terms[-1].end
            if entry.cancelled is not None and all(one.at <= entry.cancelled for one in entry.renewals):
                end = min(end, entry.cancelled)
            terms = [terms[0], *(term for term in terms[1:] if term.begin < end)]
            begun = MONTHS.of(terms[0].begin)
            billed += sum(term.micros or 0 for term in terms if max(begun, MONTHS.of(term.said)) <= month)
            if not begun <= month < max(begun, MONTHS.of(end)):
                continue
            running += 1
            last = [term for term in terms if MONTHS.of(term.begin) <= month][-1]
            if last.micros is not None:
                valued += 1
                monthly += monthly_amount(last.micros, last.term)
        assert each.at_end[:4] == (running, valued, monthly, billed)


def test_a_contract_that_costs_more_from_its_second_term_on_and_one_in_another_currency():
    january = MONTHS.of(day("2026-01-20"))
    started = ("started", day("2026-01-20"), "P1M", SOMEBODY, (10_000_000, None))
    dearer = ("renewed", day("2026-02-20"), None, SOMEBODY, (12_000_000, None))
    same = ("renewed", day("2026-03-20"), None, SOMEBODY, (None, None))
    foreign = ("renewed", day("2026-03-20"), None, SOMEBODY, (12_000_000, "USD"))

    def at_ends(*records) -> list[tuple[int, int, int, int]]:
        months = contract_months(counted([contract_of(records)]), january + 4)
        return [tuple(each.at_end[:4]) for each in months]

    assert at_ends(started, dearer, same) == [
        (1, 1, 10_000_000, 10_000_000),
        (1, 1, 12_000_000, 22_000_000),
        (1, 1, 12_000_000, 34_000_000),
        (0, 0, 0, 34_000_000),
    ]
    assert at_ends(started, dearer, foreign)[2:] == [(1, 0, 0, 22_000_000), (0, 0, 0, 22_000_000)]
    gone = ("cancelled", day("2026-03-05"), None, SOMEBODY, (None, None))
    assert at_ends(started, dearer, gone)[1:3] == [(1, 1, 12_000_000, 22_000_000), (0, 0, 0, 22_000_000)]


def test_a_contract_of_before_amounts_were_kept_is_read_and_has_none():
    old = msgspec.msgpack.encode([[START, "P1M"], [[START + 30 * DAY, None]], None, SOMEBODY])
    entry = msgspec.msgpack.decode(old, type=SubscriptionEntry)
    assert [each.micros for each in entry.terms(ZONE)] == [None, None]
    assert all(not number for (_, kind), number in entry.counts(MONTHS).items() if kind >= Kind.VALUED)


@given(contracts)
def test_every_term_ends_once_and_all_but_the_last_were_renewed(records):
    entry = contract_of(records)
    ends = entry.ends_of_terms(ZONE)
    counts = Counter()
    for (_, kind), number in entry.counts(MONTHS).items():
        counts[kind] += number
    assert counts[Kind.TERMS] == len(ends)
    assert counts[Kind.RENEWALS] == max(0, len(ends) - 1)
    assert counts[Kind.CONTRACTS] == counts[Kind.ENDED] + counts[Kind.ENDED_AT_ONCE] == bool(ends)
    assert all(one < other for one, other in pairwise(ends))


def test_a_subscription_of_three_months_of_which_the_last_is_not_renewed():
    entry = contract_of(
        [
            ("started", day("2026-01-31"), "P1M", SOMEBODY),
            ("renewed", day("2026-02-28"), "P1M", 0),
            ("renewed", day("2026-03-30"), "P1M", 0),
        ]
    )
    assert entry.ends_of_terms(ZONE) == [day("2026-02-28"), day("2026-03-28"), day("2026-04-30")]
    january = MONTHS.of(day("2026-01-31"))
    assert +Counter(entry.counts(MONTHS)) == {
        (january, Kind.CONTRACTS): 1,
        (january + 1, Kind.TERMS): 1,
        (january + 1, Kind.RENEWALS): 1,
        (january + 2, Kind.TERMS): 1,
        (january + 2, Kind.RENEWALS): 1,
        (january + 3, Kind.TERMS): 1,
        (january + 3, Kind.ENDED): 1,
    }


def test_a_cancellation_ends_a_contract_within_its_term_and_a_later_renewal_takes_it_back():
    started, cancelled = (
        ("started", day("2026-01-05"), "P1Y", SOMEBODY),
        ("cancelled", day("2026-03-05"), "", 0),
    )
    january = MONTHS.of(day("2026-01-05"))
    assert contract_of([started, cancelled]).counts(MONTHS)[january + 2, Kind.ENDED] == 1
    back = ("renewed", day("2026-04-05"), "P1Y", 0)
    assert contract_of([started, cancelled, back]).counts(MONTHS)[january + 24, Kind.ENDED] == 1


def test_terms_keep_the_time_of_day_over_a_change_of_the_clock_and_end_with_the_calendar():
    assert end_of_term(day("2026-03-28T09:30"), "P2D", ZONE) == day("2026-03-30T09:30")
    assert end_of_term(day("2024-02-29"), "P1Y", ZONE) == day("2025-02-28")
    assert end_of_term(MAX_INSTANT - DAY, "P9999Y", ZONE) == MAX_INSTANT
    assert end_of_term(day("2026-01-01"), "P4W", ZONE) == day("2026-01-29")
    assert timedelta(milliseconds=end_of_term(0, "P1D", ZoneInfo("UTC"))) == timedelta(days=1)


def test_who_was_erased_stays_so():
    assert TicketEntry(opened=1, customer=ERASED).with_step("resolved", 5, SOMEBODY).customer == ERASED


@given(
    st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(0, 2)),
    st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(0, 2)),
)
def test_what_changes_makes_of_the_counts_before_those_after(before, after):
    known = joined((), difference({}, before))
    assert joined(known, difference(before, after)) == joined((), difference({}, after))


def test_figures_of_a_cohort_and_of_a_month():
    counts: Counter[int] = Counter()
    for answered in (
        of_nps(10, START, MONTHS),
        of_nps(3, START, MONTHS),
        of_nps(9, START, MONTHS),
        of_csat(4, 5, START, MONTHS),
        of_csat(3, 5, START, MONTHS),
        ticket_of([("opened", START, 0), ("responded", START + HOUR, 0)]).counts(MONTHS),
        ticket_of([("opened", START, 0), ("resolved", START + DAY, 0)]).counts(MONTHS),
    ):
        for (_, kind), number in answered.items():
            counts[kind] += number
    counts[Kind.REFERRALS] = 6
    persons = {Kind.REFERRALS: 2, Kind.ACTIVATIONS: 3}
    ended = {Kind.TERMS: 4, Kind.RENEWALS: 3, Kind.ENDED: 1}
    counts[Kind.BILLED] = 60_000_000
    running = RunningContracts(3, 2, 15_000_000, 60_000_000, ended=4, months=40)
    reading = EngagementReading(4, counts, persons, ended, at_start=5, running=running)
    found = {name: figure.read(reading) for name, figure in (COHORT_ENGAGEMENT | MONTH_ENGAGEMENT).items()}
    assert found["nps"] == 0.333333
    assert found["csat"] == 0.5
    assert found["resolution_rate"] == 0.5
    assert found["renewal_rate"] == 0.75
    assert found["contract_churn_rate"] == 0.2
    assert (found["mrr"], found["contract_arpu"], found["contract_clv_historic"]) == (15.0, 7.5, 15.0)
    assert found["contract_clv"] == 75.0
    low, high = share_interval(4, 40)
    assert (found["contract_clv_low"], found["contract_clv_high"]) == (
        round(7.5 / high, 6),
        round(7.5 / low, 6),
    )
    left = reading._replace(running=RunningContracts(billed=60_000_000, ended=4, months=40))
    assert SERVICE_FIGURES["mrr"].read(left) == 0.0
    assert {COHORT_ENGAGEMENT[name].read(left) for name in ("contract_arpu", "contract_clv")} == {None}
    assert (found["activation_rate"], found["referral_rate"], found["k_factor"]) == (0.75, 0.5, 1.5)
    assert abs(found["first_response_p50"] - 3_600) <= RELATIVE_ERROR * 3_600
    assert abs(found["resolution_p90"] - 86_400) <= RELATIVE_ERROR * 86_400
    nothing = EngagementReading(0, {}, {}, {}, at_start=0)
    assert {figure.read(nothing) for figure in (COHORT_ENGAGEMENT | MONTH_ENGAGEMENT).values()} == {None}


def test_the_page_has_a_row_for_every_figure_and_no_other():
    page = (Path(__file__).parents[3] / "docs/customers.md").read_text()
    table = page.partition("<!-- engagement-figures:begin -->")[2].partition(
        "<!-- engagement-figures:end -->"
    )[0]
    shown = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", table, flags=re.MULTILINE)
    figures = COHORT_ENGAGEMENT | MONTH_ENGAGEMENT
    assert shown == [
        (
            name,
            ", ".join(what for what, known in WHERE.items() if name in known),
            each.formula,
            each.unit,
            each.undefined,
        )
        for name, each in figures.items()
    ]


WHERE = {"cohort": COHORT_ENGAGEMENT, "month": MONTH_ENGAGEMENT}
