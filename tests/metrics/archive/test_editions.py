"""Editions: the first is what a campaign came to, a later one says what was corrected, and nothing new gives none."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.archive.editions import archived, next_edition, why_not_yet
from metrics.entities.campaigns import CampaignFacts
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.events import Campaign
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.time import DAY, format_instant

END = 100 * DAY
FACTS = CampaignFacts(
    "c-1",
    Campaign("c-1", name="Spring", target="families"),
    channel="search",
    starts_at=70 * DAY,
    ends_at=END,
)


def reading(model="declared", refunds=0, revision=1, watermark=END + 30 * DAY, **fields):
    names = [name for name in Sums.__struct_fields__ if name != "refunds_micros"]
    sums = Sums(**dict.fromkeys(names, 5_000_000), refunds_micros=refunds)
    return CampaignKpi(
        campaign_id="c-1",
        channel="search",
        model=model,
        window="total",
        window_start=None,
        window_end=None,
        stage="update",
        revision=revision,
        currency="EUR",
        sums=sums,
        other_basis=OtherBasis(impressions=None, clicks=None, spend_micros=None),
        kpis=compute(KpiInputs(sums=sums, total=sums)),
        watermark=None if watermark is None else format_instant(watermark),
        published_at=format_instant(END),
        **fields,
    )


def made(now=END, actions=(), **readings):
    return archived(FACTS, readings or {"declared": reading()}, dict(actions), now)


def test_the_first_edition_has_what_the_campaign_was_and_what_it_came_to():
    first = next_edition(None, made(actions={"pause": 2}.items()))
    assert (first.edition, first.name, first.target, first.channel) == (1, "Spring", "families", "search")
    assert first.ends_at == format_instant(END)
    assert first.actions == {"pause": 2}
    assert first.models["declared"].kpis["cpl"] == 0.000001
    assert first.changes == []


@given(st.integers(0, 10**12), st.integers(1, 9))
def test_a_later_time_or_revision_is_no_correction(now, revision):
    first = made()
    assert next_edition(first, made(now, declared=reading(revision=revision, watermark=END + now))) is None


@given(st.lists(st.integers(0, 3), max_size=12))
def test_editions_count_the_changes_of_what_came(refunds):
    last, changes, before = None, 0, None
    for amount in refunds:
        found = next_edition(last, made(declared=reading(refunds=amount)))
        changes += amount != before
        before = amount
        last = found or last
    assert (last.edition if last else 0) == changes


def test_a_correction_says_what_was_and_what_is():
    second = next_edition(made(), made(declared=reading(refunds=4)))
    assert second.edition == 2
    assert "models.declared.sums.refunds_micros: 0 → 4" in second.changes
    third = next_edition(second, made(declared=reading(refunds=4), linear=reading("linear")))
    assert third.changes[0].startswith("models.linear: null → {")


def test_an_edition_survives_its_encoding():
    second = next_edition(made(), made(declared=reading(refunds=4)))
    assert msgspec.json.decode(msgspec.json.encode(second), type=type(second)) == second


def test_a_campaign_waits_until_it_is_over_for_long_enough_and_sure():
    def why(facts=FACTS, is_asked=False, **fields):
        return why_not_yet(facts, {"declared": reading(**fields)}, 30 * DAY, is_asked=is_asked)

    assert why() is None
    assert why(watermark=END + 30 * DAY - 60_000) == "is not over for long enough"
    assert why(watermark=None) == "is not over for long enough"
    assert why(has_uncertain_amounts=True) == "has amounts without a rate"
    assert why(FACTS._replace(ends_at=None)) == "has no end"
    assert why(FACTS._replace(ends_at=None), is_asked=True) is None
    assert why_not_yet(FACTS, {}, 0, is_asked=True) == "has no reading of its whole time"
