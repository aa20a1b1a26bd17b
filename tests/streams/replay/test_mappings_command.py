"""``roistream mappings``: what is listed and shown, and that a mapping begun for a file reads that file."""

import pytest

from metrics.values.errors import RoistreamError
from streams.mapping.loader import builtin_names, text_of
from streams.mapping.model import MappingError
from streams.replay.mappings_command import run
from tests.support.replaying import replayed

#: A whole replay for most of them, which together take many seconds.
pytestmark = pytest.mark.slow

FILES = {
    "ad-reports": (
        "Campaign,Day,Cost,Impr.,Clicks,Currency\nAlpha,2026-07-01,12,1000,10,eur\nBeta,2026-07-01,7.5,900,9,eur\n",
        [("source-alpha", "12"), ("source-beta", "7.5")],
    ),
    "orders": (
        "Order ID,Created,Total,Currency,Customer ID\n7,2026-07-01 10:00,5,EUR,c\n8,2026-07-01 11:00,6,EUR,c\n",
        [("7", "5"), ("8", "6")],
    ),
    "leads": ("Lead ID,Created\n5,2026-07-01 10:00\n", [("5", None)]),
}


def test_every_built_in_mapping_is_listed_with_what_it_gives(capsys):
    assert run(None, None) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _, _ in lines] == list(builtin_names()), "a whole mapping a line, for grep"
    assert all(topics and description for _, topics, description in lines)


def test_a_mapping_is_shown_as_it_stands(capsys):
    run("google_ads", None)
    assert capsys.readouterr().out == text_of("google_ads")
    with pytest.raises(MappingError, match="no_such cannot be read"):
        run("no_such", None)


@pytest.mark.parametrize("topic", FILES)
def test_a_mapping_begun_for_a_file_reads_it(tmp_path, capsys, topic):
    content, wanted = FILES[topic]
    file, mapping = tmp_path / "file.csv", tmp_path / "mine.toml"
    file.write_text(content)
    run("suggest", file)
    mapping.write_text(capsys.readouterr().out)
    found = [
        (
            value.get("campaign_id") or value.get("order_id") or value["lead_id"],
            value.get("spend", value.get("revenue")),
        )
        for value in replayed([file], mapping).values(topic)
    ]
    assert found == wanted


def begun(tmp_path, capsys, content):
    """What a mapping begun for a file gives of it, and the mapping."""
    file, mapping = tmp_path / "file.csv", tmp_path / "mine.toml"
    file.write_text(content)
    run("suggest", file)
    mapping.write_text(capsys.readouterr().out)
    return replayed([file], mapping), mapping.read_text()


@pytest.mark.parametrize(
    ("column", "cell", "period", "doubt"),
    [
        ("at", "2026-07-01", ("2026-07-01", "2026-07-02"), "is the period a day?"),
        ("Month", "2026-02", ("2026-02-01", "2026-03-01"), "is the period a month?"),
        ("Monat", "Feb 2026", ("2026-02-01", "2026-03-01"), "is the period a month?"),
        ("Week", "2026-01-05", ("2026-01-05", "2026-01-12"), "is the period a week that begins on this day?"),
    ],
)
def test_a_column_called_at_or_of_months_or_weeks_is_the_time(tmp_path, capsys, column, cell, period, doubt):
    result, text = begun(tmp_path, capsys, f"Campaign,{column},Cost,Clicks\nAlpha,{cell},5.50,3\n")
    (report,) = result.values("ad-reports")
    assert (report["period_start"][:10], report["period_end"][:10], report["spend"]) == (*period, "5.5")
    assert f"-- doubt: {doubt}" in text


def test_an_order_of_a_column_called_at_is_placed_then(tmp_path, capsys):
    (order,) = begun(tmp_path, capsys, "order_id,at,revenue\n1,2026-07-01T10:00:00Z,10.50\n")[0].values()
    assert (order["occurred_at"], order["revenue"]) == ("2026-07-01T10:00:00Z", "10.5")


@pytest.mark.parametrize(
    ("content", "doubt"),
    [
        ("Campaign,Cost,Clicks\nAlpha,5.50,3\n", "which column is the time?"),
        ("Campaign,Month,Cost,Clicks\nAlpha,Nivôse,5.50,3\n", 'is "Month" the time?'),
        ("Campaign,Month,Cost,Clicks\nAlpha,202601,5.50,3\n", 'is "Month" the time?'),
        ("Campaign,Day,Cost,Clicks\nAlpha,2026-07-01,5.50,three\n", 'is "Clicks" the clicks?'),
        ("Order,Date,Total\n1,someday,5.50\n", 'is "Date" the time?'),
        ("Order,Date,Total\n1,2026-07-01,much\n", 'is "Total" the revenue?'),
    ],
)
def test_what_a_mapping_begun_for_a_file_cannot_know_is_a_doubt_and_no_error_of_the_database(
    tmp_path, capsys, content, doubt
):
    result, text = begun(tmp_path, capsys, content)
    assert f"/* doubt: {doubt}" in text
    assert len(result.values()) + sum(result.left.values()) >= 1


@pytest.mark.parametrize("cells", ["12,7", "12.00,7.00"])
def test_an_amount_is_no_count_even_where_all_of_its_cells_are_whole(tmp_path, capsys, cells):
    first, second = cells.split(",")
    (tmp_path / "a.csv").write_text(
        f"Campaign,Day,Cost,Fee\nA,2026-07-01,{first},1.00\nB,2026-07-01,{second},2.00\n"
    )
    run("suggest", tmp_path / "a.csv")
    shown = capsys.readouterr().out
    assert '"Cost" = "number"' in shown
    assert '"Fee" = "number"' in shown


def test_a_column_that_can_be_read_in_two_ways_is_a_doubt(tmp_path, capsys):
    (tmp_path / "a.csv").write_text('Campaign,Day,Cost\nA,2026-07-01,"1,200"\n')
    run("suggest", tmp_path / "a.csv")
    assert (
        "# doubt: a.csv: the column Cost can be read in two ways: '1,200' (a.csv:2)"
        in capsys.readouterr().out
    )


def test_a_file_is_asked_for():
    with pytest.raises(RoistreamError, match=r"mappings suggest report\.csv"):
        run("suggest", None)
