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
