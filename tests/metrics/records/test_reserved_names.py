"""Texts that stand for missing names, and spellings of the direct channel."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.records.events import AdClick, Campaign, Lead, Order
from metrics.records.reserved_names import ABSENT_NAMES, DIRECT_NAMES, UNKNOWN_NAMES, ReservedNames
from metrics.values.errors import Reason, Rejection

NAMES = ReservedNames()


@pytest.mark.parametrize("text", DIRECT_NAMES)
def test_every_known_spelling_of_direct_is_found_in_any_case_and_brackets(text):
    spellings = (text, text.upper(), text.title(), f" {text} ", text.replace(" ", "_"))
    assert {NAMES.channel(each) for each in spellings} == {"direct"}
    if text[0] != "(":
        assert NAMES.channel(f"({text})") == "direct"


@pytest.mark.parametrize("text", [*ABSENT_NAMES, *UNKNOWN_NAMES])
def test_every_known_spelling_of_a_missing_name_is_found(text):
    assert NAMES.is_absent(text)
    assert NAMES.is_absent(text.upper())


@pytest.mark.parametrize(
    "text", ["Direct Mail", "director", "redirect", "other", "none-of-these", "unknown-2", "search"]
)
def test_names_that_only_look_like_one_are_left_alone(text):
    assert NAMES.channel(text) == text
    assert not NAMES.is_absent(text)


def test_settings_add_names_and_take_known_ones_out():
    names = ReservedNames(direct=("typed-in 2", "!directo"), absent=("tbd", "!unknown"))
    assert names.channel("TYPED IN 2") == "direct"
    assert names.channel("directo") == "directo"
    assert names.is_absent("TBD")
    assert not names.is_absent("(unknown)")


def test_an_order_without_its_placeholders_names_nobody_and_no_campaign():
    order = Order(
        "e1", 0, "o1", customer_id="0", visitor_id="(not set)", lead_id="null", campaign_id="(None)"
    )
    cleared = NAMES.cleared(order)
    assert (cleared.customer_id, cleared.visitor_id, cleared.lead_id, cleared.campaign_id) == (None,) * 4
    assert (cleared.event_id, cleared.order_id) == ("e1", "o1")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (AdClick("e1", 0, "(none)"), "campaign_id"),
        (AdClick("e1", 0, "(Other)"), "campaign_id"),
        (AdClick("undefined", 0, "c"), "event_id"),
        (Order("e1", 0, "null"), "order_id"),
        (Lead("e1", 0, "(not set)"), "lead_id"),
    ],
)
def test_a_record_that_cannot_be_without_the_name_is_refused_and_told_which(event, field):
    with pytest.raises(Rejection, match=f"{field} .* stands for a missing name") as refused:
        NAMES.cleared(event)
    assert refused.value.reason is Reason.MISSING_FIELD


def test_a_campaign_may_be_called_unknown_and_a_visitor_may_not():
    assert NAMES.cleared(AdClick("e1", 0, "Unknown", visitor_id="unknown")) == AdClick("e1", 0, "Unknown")
    assert NAMES.cleared(Order("e1", 0, "o1", campaign_id="(unknown)")).campaign_id is None


def test_the_usual_spellings_are_all_found_one_by_one_too():
    spellings = NAMES.usual_spellings()
    assert all(map(NAMES.is_nobody, spellings))
    assert {"(not set)", "Not Set", "NULL", "(NONE)", "not_set", "(other)", "anonymous"} <= set(spellings)
    assert not {"other", "Other"} & set(spellings)


def test_a_registered_campaign_has_no_value_that_stands_for_none():
    campaign = NAMES.registered(Campaign("c", channel="(other)", target="(not set)", offer="none at all"))
    assert (campaign.channel, campaign.target, campaign.offer) == (None, None, "none at all")
    with pytest.raises(Rejection, match="campaign_id"):
        NAMES.registered(Campaign("(none)"))


@given(
    st.builds(
        AdClick, event_id=st.just("e1"), occurred_at=st.just(0), campaign_id=st.just("c1"), channel=st.text()
    )
)
def test_clearing_twice_is_clearing_once(click):
    once = NAMES.cleared(click)
    assert NAMES.cleared(once) == once
    assert msgspec.structs.replace(once, channel=None) == msgspec.structs.replace(click, channel=None)


@given(
    st.lists(st.sampled_from([*ABSENT_NAMES, *UNKNOWN_NAMES, "c-17", "Search", "x 0"]) | st.text(max_size=6)),
    st.sampled_from([(), ("tbd", "q4"), ("!unknown",)]),
)
def test_many_names_are_told_as_each_is_told_alone(texts, absent):
    names = ReservedNames(absent=absent)
    shown = [form for text in texts for form in (text, f"({text})", text.upper(), f"{text}4")]
    assert names.are_no_campaigns(shown) == [names.is_no_campaign(text) for text in shown]
