"""Campaign ids that are spelt alike: joined where a rule says so, else found."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.records.campaign_spellings import CampaignSpellings, plain_form
from metrics.records.reserved_names import ReservedNames
from metrics.values.errors import SettingError
from streams import topics
from streams.settings import Settings
from tests.laws.cases import click, line, order, play, totals

SPELLINGS = ("spring sale", "Spring Sale", "spring%20sale", "spring+sale", "SPRING  SALE", "spring\u00a0sale")
names = st.text(
    st.characters(codec="utf-8", exclude_characters="+%", exclude_categories=["C"]), min_size=1, max_size=20
)


@given(names.filter(str.strip))
def test_every_spelling_of_an_id_has_one_plain_form(name):
    assert (
        len({plain_form(each) for each in (name, quote(name), quote_plus(name), f" {name} ", name.upper())})
        <= 2
    )
    assert (
        plain_form(name) == plain_form(quote(name)) == plain_form(quote_plus(name)) == plain_form(f" {name}")
    )


def test_alike_ids_are_found_and_others_are_not():
    met = CampaignSpellings()
    met.note([*SPELLINGS, "spring-sale", "spring sales", "e\u0301te\u0301", "\u00e9t\u00e9"])
    assert met.alike() == [tuple(sorted(SPELLINGS)), ("e\u0301te\u0301", "\u00e9t\u00e9")]
    assert met.count == 8


def test_ids_that_a_rule_joins_are_not_looked_at():
    met = CampaignSpellings(["Spring Sale"])
    met.note(["Spring Sale", "spring sale"])
    assert (met.alike(), met.count) == ([], 0)
    met.note(["SPRING SALE"])
    assert (met.alike(), met.count) == ([("SPRING SALE", "spring sale")], 2)


def test_without_a_rule_alike_campaigns_are_counted_apart():
    made = [click(str(n), -60, name, f"v{n}") for n, name in enumerate(SPELLINGS)]
    assert totals(play(made), "clicks") == dict.fromkeys(SPELLINGS, 1)


@pytest.mark.parametrize("models", [(), ("last_touch",)])
def test_a_rule_joins_spellings_in_all_sources_and_models(models):
    aliases = tuple((name, SPELLINGS[0]) for name in SPELLINGS[1:])
    made = [click(str(n), -60, name, f"v{n}", cost="1") for n, name in enumerate(SPELLINGS)]
    made += [order(str(n), -30, f"v{n}", campaign_id=name) for n, name in enumerate(SPELLINGS)]
    made.append(
        line(
            topics.LEADS,
            "v1",
            event_id="l1",
            occurred_at=made[0]["value"]["occurred_at"],
            lead_id="l1",
            campaign_id=SPELLINGS[2],
        )
    )
    machine = play(made, models=models, names=ReservedNames(aliases=aliases))
    assert totals(machine, "clicks") == totals(machine, "orders") == {SPELLINGS[0]: 6}
    assert totals(machine, "leads") == {SPELLINGS[0]: 1}
    for model in models:
        assert totals(machine, "orders", model) == {SPELLINGS[0]: 6}


def test_the_file_of_aliases_is_read_and_a_wrong_one_named(tmp_path):
    file = tmp_path / "aliases.toml"
    file.write_text('"Spring%20Sale" = "spring-sale"\n')
    assert Settings(campaign_aliases=file).reserved_names.campaign("Spring%20Sale") == "spring-sale"
    for wrong in ('"a" = 1', '"a" = "b"\n"b" = "c"', "a ="):
        file.write_text(wrong)
        with pytest.raises(SettingError, match="ROISTREAM_CAMPAIGN_ALIASES"):
            _ = Settings(campaign_aliases=file).reserved_names
