"""Generated source records: people who click, become leads and buy, with all the disorder of the real world."""

from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, FxRate
from metrics.values.time import HOUR, MINUTE
from streams import topics

T0 = 1_794_960_000_000  # 2026-11-18T00:00:00Z
CAMPAIGNS: list[dict[str, Any]] = [
    {"campaign_id": "c0"},
    {"campaign_id": "c1", "cost_basis": "reports", "currency": "USD"},
]
RATES: list[dict[str, Any]] = [
    {"currency": "USD", "rate": "0.9", "valid_from": T0 - HOUR},
    {"currency": "USD", "rate": "0.8765432", "valid_from": T0 + 40 * MINUTE},
]


class Fact(NamedTuple):
    """A record to be written: topic, Kafka key, value; invalid ones are no part of what must come out."""

    topic: str
    key: str
    value: Any
    is_valid: bool = True


def campaign_registry() -> CampaignRegistry:
    """The registry that goes with the facts."""
    made = CampaignRegistry("EUR")
    for rate in RATES:
        known = FxRate(rate["currency"], Decimal(rate["rate"]), rate["valid_from"])
        made.set_rate(known.currency, rate["valid_from"], known.rate)
    for each in CAMPAIGNS:
        made.register(each["campaign_id"], Campaign(**each))
    return made


def oracle_input(facts: list[Fact]) -> list[tuple[str, dict[str, Any]]]:
    """What the oracle is told: the registry and the valid records in the order they were written."""
    registry = [("fx-rates", rate) for rate in RATES] + [("campaigns", each) for each in CAMPAIGNS]
    return registry + [(fact.topic, fact.value) for fact in facts if fact.is_valid]


people = st.integers(0, 3)
#: Within 100 minutes nothing is ever too late for any window.
moments = st.integers(0, 100 * MINUTE).map(lambda at: T0 + at)
places = st.sampled_from(["c0", "c1", "c2"])
maybe_places = st.sampled_from([None, "c0", "c1", "c2"])
amounts = st.sampled_from(["0", "0.000001", "1.5", "49.99", "12.345678", "999999999999.999999"])
#: A currency that no registry of these laws knows.
NO_RATE = "XXX"
currencies = st.sampled_from([None, None, "EUR", "USD", NO_RATE])
#: Ids repeat now and then with other content: the first of them counts. One id always has one key.
identities = st.integers(0, 60)


@st.composite
def ads(draw: st.DrawFn) -> Fact:
    topic = draw(st.sampled_from([topics.CLICKS, topics.CLICKS, topics.IMPRESSIONS]))
    person = draw(people)
    value = {
        "event_id": f"e{person}-{draw(identities)}",
        "occurred_at": draw(moments),
        "campaign_id": draw(places),
    }
    if draw(st.booleans()):
        value |= {"visitor_id": f"v{person}", "channel": draw(st.sampled_from([None, "direct", "search"]))}
    if draw(st.booleans()):
        value |= {"cost": draw(amounts), "currency": draw(currencies)}
    return Fact(topic, f"v{person}", value)


@st.composite
def leads(draw: st.DrawFn) -> Fact:
    person = draw(people)
    value = {
        "event_id": f"e{person}-{draw(identities)}",
        "occurred_at": draw(moments),
        "lead_id": f"l{person}-{draw(st.integers(0, 1))}",
        "campaign_id": draw(maybe_places),
        "stage": draw(st.sampled_from(["lead", "mql", "sql"])),
        "visitor_id": draw(st.sampled_from([None, f"v{person}"])),
    }
    return Fact(topics.LEADS, f"v{person}", value)


@st.composite
def orders(draw: st.DrawFn, times: st.SearchStrategy[int] = moments) -> Fact:
    person = draw(people)
    kind = draw(st.sampled_from(["placed", "placed", "refunded", "cancelled"]))
    value: dict[str, Any] = {
        "event_id": f"e{person}-{draw(identities)}",
        "occurred_at": draw(times),
        "order_id": f"o{person}-{draw(st.integers(0, 2))}",
        "kind": kind,
        "campaign_id": draw(maybe_places),
        "visitor_id": f"v{person}",
    }
    if kind != "cancelled":
        value |= {"revenue": draw(amounts), "currency": draw(currencies)}
    if kind == "placed":
        value |= {
            "cost_of_goods": draw(amounts),
            "is_new_customer": draw(st.sampled_from([None, None, None, True, False])),
        }
    return Fact(topics.ORDERS, f"v{person}", value)


@st.composite
def reports(draw: st.DrawFn) -> Fact:
    campaign = draw(places)
    start = T0 + draw(st.integers(0, 4)) * 20 * MINUTE
    value = {
        "report_id": f"r{campaign}-{draw(identities)}",
        "source": draw(st.sampled_from(["a", "b"])),
        "campaign_id": campaign,
        "period_start": start,
        "period_end": start + draw(st.sampled_from([7 * MINUTE, HOUR, HOUR + 1, 24 * HOUR, 60 * HOUR])),
        # A report that does not say when it was made covers its period up to its arrival, which the oracle does not know.
        "reported_at": T0 + draw(st.sampled_from([0, 1, 25 * MINUTE, 2 * HOUR, 30 * HOUR, 90 * HOUR])),
        "clicks": draw(st.integers(0, 100)),
        "spend": draw(amounts),
        "currency": draw(currencies),
    }
    for figure in draw(st.sampled_from([(), (), ("clicks",), ("spend",)])):
        value[figure] = None
    return Fact(topics.REPORTS, campaign, value)


_BROKEN: list[Any] = [
    b"",
    None,
    b"{",
    b"\xff\xfe",
    b'{"event_id": "x"}',
    b'{"event_id": 7, "occurred_at": 0}',
    {
        "report_id": "x",
        "source": "a",
        "campaign_id": "c0",
        "period_start": T0,
        "period_end": T0 + HOUR,
        "spend": None,
    },
    {"event_id": "x", "occurred_at": T0 + 400 * HOUR, "campaign_id": "c0", "lead_id": "l", "order_id": "o"},
    {"event_id": "x", "occurred_at": "0001-01-01T00:00:00+14:00", "campaign_id": "c0", "lead_id": "l"},
    b'{"event_id": "x", "occurred_at": 1, "campaign_id": "c0", "cost": "-1", "lead_id": "", "order_id": ""}',
]
broken = st.builds(
    lambda topic, person, value: Fact(topic, f"v{person}", value, is_valid=False),
    st.sampled_from(topics.SOURCES),
    people,
    st.sampled_from(_BROKEN),
)


@st.composite
def streams_of_facts(draw: st.DrawFn, max_size: int = 40) -> list[Fact]:
    """Records in the order they are written, some of them again."""
    size = draw(st.integers(0, max_size))
    kinds = st.one_of(ads(), ads(), leads(), orders(), orders(), reports(), broken)
    once = draw(st.lists(kinds, min_size=size, max_size=size))
    made: list[Fact] = []
    for fact, is_repeated in zip(
        once, draw(st.lists(st.booleans(), min_size=size, max_size=size)), strict=True
    ):
        made.append(fact)
        if is_repeated:
            made.insert(draw(st.integers(0, len(made))), fact)
    return made
