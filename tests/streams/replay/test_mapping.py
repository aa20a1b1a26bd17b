"""A wrong mapping is refused whole, with the sentence that names the place."""

from pathlib import Path

import pytest

from streams.replay.loading import builtin_names, load
from streams.replay.mapping import MappingError, kinds

BASE = """
description = "test"
[lookups.known]
files = ["a.csv"]
key = "k"
value = "v"
[[output]]
topic = "orders"
[output.fields]
order_id = "id"
occurred_at = "at"
"""


def load_text(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_mapping_is_sound(name):
    assert all(part.description for part in load(name))


def test_a_mapping_may_include_others():
    assert {part.name for part in load("ad_exports")} >= {"google_ads", "tiktok_ads"}


def test_the_mapping_that_the_documentation_shows_is_sound(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "replay.md").read_text(encoding="utf-8")
    (part,) = load_text(tmp_path, text.split("```toml")[1].split("```")[0])
    assert part.output[0].topic == "orders"


def test_what_a_field_becomes_follows_from_the_contract():
    assert kinds("orders")["revenue"] == "money"
    assert kinds("orders")["is_new_customer"] == "flag"
    assert kinds("orders")["occurred_at"] == "time"
    assert kinds("ad-reports")["clicks"] == "count"
    assert kinds("ad-reports")["campaign_id"] == "text"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('revenue = { column = "a", colour = 1 }', "colour"),
        ('turnover = "a"', "no such field; orders has event_id"),
        ("revenue = {}", "exactly one of column"),
        ('revenue = { column = "a", constant = "1" }', "exactly one of column"),
        ('revenue = { column = "a", aggregate = "sum" }', "needs group_by"),
        ('campaign_id = { column = "a", lookup = "unknown" }', "lookup 'unknown' is not defined"),
        ('occurred_at2 = "x"', "no such field"),
        ('customer_id = { column = "a", timezone = "Mars/Olympus" }', "is not a time zone"),
        ('customer_id = { column = "a", add = "1 fortnight" }', "add = "),
        ('customer_id = { column = "a", timezone = { column = "b", lookup = "no" } }', "lookup 'no'"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, added, said):
    with pytest.raises(MappingError, match=r"mapping mine") as error:
        load_text(tmp_path, BASE + added)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("description = ", "is not TOML"),
        ("", "description"),
        ('description = "x"\ntimezone = "Paris"', "is not a time zone"),
        ('description = "x"\n[[output]]\ntopic = "order"\nfields = {}', "topic 'order' is none of"),
        ('description = "x"\n[[output]]\ntopic = "orders"\nkey = ["who"]\nfields = {}', "no field 'who'"),
        ('description = "x"\n[[records]]\ntopic = "bills"\nvalue = {}', "topic 'bills' is none of"),
        (
            'description = "x"\n[[output]]\ntopic = "leads"\ngroup_by = ["a"]\nfields = { lead_id = { column = "a", aggregate = "sum" } }',
            "only money and counts",
        ),
    ],
)
def test_a_wrong_mapping_is_named(tmp_path, text, said):
    with pytest.raises(MappingError) as error:
        load_text(tmp_path, text)
    assert said in str(error.value)


def test_a_mapping_that_does_not_exist_is_refused_with_the_names_of_those_that_do():
    with pytest.raises(MappingError, match="online_retail"):
        load("onlne_retail")
