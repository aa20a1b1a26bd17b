"""Rules from parameters to campaigns, consent, and where links may lead."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.collect.campaign_rules import (
    CLICK_IDS,
    DEFAULT_RULES,
    CampaignPlace,
    CampaignRule,
    parameters,
    place_of,
)
from streams.collect.consent import joined, may_identify, said_by_cookie, said_in_words, visitor_of
from streams.collect.links import Link, is_listed, target_of
from streams.mapping import engine
from streams.mapping.loader import builtin_names

TEXTS = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://s.example/?gclid=G&gad_campaignid=17", CampaignPlace("google-17", "search")),
        ("https://s.example/?gbraid=G&utm_id=17&utm_campaign=Spring", CampaignPlace("google-17", "search")),
        ("https://s.example/?wbraid=G&utm_campaign=Spring+Sale", CampaignPlace("Spring Sale", "search")),
        ("https://s.example/?msclkid=M&utm_id=9", CampaignPlace("microsoft-9", "search")),
        ("https://s.example/?fbclid=F&utm_id=120", CampaignPlace("meta-120", "social")),
        ("https://s.example/?ttclid=T&utm_id=5", CampaignPlace("tiktok-5", "social")),
        ("https://s.example/?li_fat_id=L&utm_id=6", CampaignPlace("linkedin-6", "social")),
        ("https://s.example/?twclid=X&utm_id=8", CampaignPlace("x-8", "social")),
        ("https://s.example/?utm_campaign=news&utm_medium=email", CampaignPlace("news", "email")),
        ("https://s.example/?utm_campaign=news", CampaignPlace("news", None)),
        # As browsers read a query; analytics tools on the same page differ in each of these.
        ("https://s.example/?utm_campaign=spring%2Bsale", CampaignPlace("spring+sale")),
        ("https://s.example/?utm_campaign=50%+off", CampaignPlace("50% off")),
        ("https://s.example/?utm_campaign=first&utm_campaign=second", CampaignPlace("first")),
        ("https://s.example/?utm_campaign=size=10", CampaignPlace("size=10")),
        ("https://s.example/?page=2?utm_campaign=spring", CampaignPlace()),
        ("https://s.example/?gclid=G", CampaignPlace()),
        ("https://s.example/", CampaignPlace()),
        ("https://[broken/?utm_campaign=a", CampaignPlace("a")),
        (
            "https://s.example/?" + "&".join(f"a{n}=1" for n in range(500)) + "&utm_campaign=a",
            CampaignPlace(),
        ),
        (None, CampaignPlace()),
    ],
)
def test_what_holds_without_a_file(url, place):
    assert place_of(DEFAULT_RULES, parameters(url)) == place


def test_the_first_rule_that_holds_counts_and_an_empty_one_takes_the_rest():
    rules = [
        CampaignRule({"utm_source": ["bing", "Yahoo*"]}, "search-{utm_campaign}", "search"),
        CampaignRule({"form_id": "77"}, "spring"),
        CampaignRule({}, "(direct)", "direct"),
    ]
    assert place_of(rules, {"utm_source": "YAHOO.jp", "utm_campaign": "a"}) == CampaignPlace(
        "search-a", "search"
    )
    assert place_of(rules, {"utm_source": "bing"}) == CampaignPlace("(direct)", "direct"), (
        "a template without its parameter"
    )
    assert place_of(rules, {"form_id": "77"}) == CampaignPlace("spring")
    assert place_of(rules, {"form_id": "778"}) == CampaignPlace("(direct)", "direct")


@pytest.mark.parametrize("text", ["{", "{}", "a{{b}", "{utm_id"])
def test_a_rule_whose_template_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        CampaignRule({}, text).check()


def test_a_rule_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="campaign_id, channel or both"):
        CampaignRule({"utm_id": "*"}).check()


@given(st.dictionaries(TEXTS, TEXTS, max_size=5), TEXTS)
def test_values_are_never_read_as_templates_or_attributes(said, campaign):
    rule = CampaignRule({"utm_campaign": "*"}, "{utm_campaign}")
    found = rule.place({**said, "utm_campaign": campaign})
    assert found == CampaignPlace(campaign)
    assert rule.place({**said, "utm_campaign": "{0.__class__}{utm_id}"}) == CampaignPlace(
        "{0.__class__}{utm_id}"
    )


@given(st.sampled_from(sorted(CLICK_IDS)), TEXTS, TEXTS)
def test_a_click_id_never_becomes_a_campaign(name, click_id, campaign):
    said = {name: click_id, "utm_campaign": campaign}
    assert place_of(DEFAULT_RULES, said).campaign_id == campaign
    assert place_of(DEFAULT_RULES, {name: click_id}) == CampaignPlace()


@given(st.booleans() | st.none(), st.booleans())
def test_who_did_not_agree_has_no_id(said, signal):
    assert may_identify("required", said, has_privacy_signal=signal) == (said is True and not signal)
    assert may_identify("assumed", said, has_privacy_signal=signal) == (said is not False and not signal)


@given(st.lists(st.booleans() | st.none(), max_size=4))
def test_one_no_is_a_no(said):
    assert (joined(said) is False) == (False in said)
    assert (joined(said) is True) == (bool(said) and all(said))


def test_words_and_cookies():
    assert [said_in_words(text) for text in ("YES", "denied", "", None, "2")] == [
        True,
        False,
        None,
        None,
        None,
    ]
    assert said_by_cookie({"cc": '{"marketing":true}'}, "cc", '*"marketing":true*') is True
    assert said_by_cookie({"cc": '{"marketing":false}'}, "cc", '*"marketing":true*') is False
    assert said_by_cookie({}, "cc", "*") is None
    assert [visitor_of(text) for text in ("a" * 22, "short", "a" * 22 + "\n", "a b" * 8, None)] == [
        "a" * 22,
        *[None] * 4,
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://evilshop.example/",
        "https://shop.example@evil.example/",
        "https://shop.example:pass@evil.example/",
        "https://evil.example#shop.example",
        "https://evil.example?shop.example",
        "https://evil.example\\@shop.example/",
        "https:\\\\evil.example",
        "https://shop.example\t.evil.example/",
        "https:///evil.example/",
        "https:evil.example",
        "//shop.example/",
        "/path",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://shop.example:8443/",
        "https://shop.example:99999/",
        "https://sh\u043ep.example/",
        "https://[::1",
        " https://shop.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/" + "a" * 4_000,
        "",
    ],
)
def test_addresses_that_are_not_on_a_listed_host(url):
    assert not is_listed(url, ["shop.example"])


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://shop.example/a?b#c", ["shop.example"]),
        ("http://SHOP.example", ["Shop.Example"]),
        ("https://shop.example:443/", ["shop.example"]),
        ("https://shop.example:8443/", ["shop.example:8443"]),
        ("https://www.shop.example/", ["*.shop.example"]),
    ],
)
def test_addresses_that_are(url, hosts):
    assert is_listed(url, hosts)


def test_a_name_with_a_star_is_not_the_name_itself():
    assert not is_listed("https://shop.example/", ["*.shop.example"])
    assert not is_listed("https://evilshop.example/", ["*.shop.example"])


@given(st.text(max_size=60))
def test_a_link_leads_to_a_listed_host_or_nowhere(to):
    link = Link("https://shop.example/a", is_open=True)
    found = target_of(link, ["shop.example"], {"to": to} if to else {})
    assert found is None or found.startswith(("https://shop.example", "http://shop.example"))
    closed = Link("https://shop.example/a")
    assert (
        target_of(closed, ["shop.example"], {"to": "https://www.shop.example/"}) == "https://shop.example/a"
    )


def test_parameters_of_the_visit_go_along_and_replace_none():
    link = Link("https://shop.example/a?utm_id=7#part", is_open=True)
    said = {"gclid": "a b&c", "utm_id": "8", "consent": "1"}
    assert target_of(link, ["shop.example"], said) == "https://shop.example/a?utm_id=7&gclid=a%20b%26c#part"
    assert target_of(link, ["shop.example"], {"to": "https://shop.example/b"}) == "https://shop.example/b"
    assert target_of(link, ["shop.example"], {"to": "https://evil.example/"}) is None


#: By the first word of a mapping's name, whose campaigns it has.
PLATFORMS = {
    "google": "google",
    "microsoft": "microsoft",
    "meta": "meta",
    "facebook": "meta",
    "tiktok": "tiktok",
    "linkedin": "linkedin",
    "x": "x",
    "twitter": "x",
}
MAPPINGS = Path(engine.__file__).parent / "mappings"


def test_clicks_and_every_mapping_call_a_campaign_of_a_platform_by_one_name():
    assert set(PLATFORMS.values()) == {platform for platform, _ in CLICK_IDS.values()}
    names = [name for name in builtin_names() if name.partition("_")[0] in PLATFORMS]
    found = {
        name: set(re.findall(r"'(\w+)-' \|\|", (MAPPINGS / f"{name}.toml").read_text())) for name in names
    }
    others = {name: got - {PLATFORMS[name.partition("_")[0]]} for name, got in found.items()}
    assert {name: got for name, got in others.items() if got} == {}
    assert sum(map(bool, found.values())) > 15
