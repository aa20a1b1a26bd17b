"""Files become the same rows of text whatever they are."""

from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from streams.mapping.model import Frame
from streams.replay.file_readers import ReadError, as_text, expand, sources


def rows_of(path, frame=None):
    """Lines and cells of all sources of a file, and the lines that are no rows."""
    found, left = [], []
    for source in sources(path, frame or Frame(), []):
        for lines, columns in source.batches:
            names = list(columns)
            found += [
                (line, {name: cell or "" for name, cell in zip(names, cells, strict=True)})
                for line, cells in zip(lines, zip(*columns.values(), strict=True), strict=True)
            ]
        left += source.left
    return found, left


def test_csv_json_lines_and_parquet_of_the_same_data_give_the_same_rows(tmp_path):
    (tmp_path / "a.csv").write_text("id,price,when\n7,2.55,2010-12-01 08:26:00\n,3,\n")
    (tmp_path / "a.jsonl").write_text(
        '{"id": 7, "price": 2.55, "when": "2010-12-01 08:26:00"}\n{"id": null, "price": 3, "when": ""}\n'
    )
    times = pa.array([1291191960000000000, None], pa.timestamp("ns"))
    table = pa.table({"id": pa.array([7.0, None]), "price": [2.55, 3.0], "when": times})
    parquet.write_table(table, tmp_path / "a.parquet")
    rows = [[row for _, row in rows_of(tmp_path / f"a.{kind}")[0]] for kind in ("csv", "jsonl", "parquet")]
    assert rows[0] == [
        {"id": "7", "price": "2.55", "when": "2010-12-01 08:26:00"},
        {"id": "", "price": "3", "when": ""},
    ]
    assert rows[1] == rows[2] == rows[0]


def test_the_number_of_a_row_is_the_line_it_begins_on(tmp_path):
    (tmp_path / "a.csv").write_text('title\n\na,b\n"two\nlines",1\n\nx,2\n')
    assert [line for line, _ in rows_of(tmp_path / "a.csv")[0]] == [4, 7]


def test_a_row_of_another_width_is_left_and_not_read_under_wrong_names(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1\n2,3\n4,5,6\n7,8\n")
    rows, left = rows_of(tmp_path / "a.csv")
    assert [line for line, _ in rows] == [3, 5]
    assert left == [
        (2, "unreadable row", "1 cells where the header has 2"),
        (4, "unreadable row", "3 cells where the header has 2"),
    ]


@pytest.mark.parametrize("line", ["{", "[1]", "nonsense"])
def test_a_line_that_is_no_object_is_left(tmp_path, line):
    (tmp_path / "a.jsonl").write_text(f'{{"a": 0}}\n{line}\n{{"a": 1}}\n')
    rows, left = rows_of(tmp_path / "a.jsonl")
    assert rows == [(1, {"a": "0"}), (3, {"a": "1"})]
    assert [(number, reason) for number, reason, _ in left] == [(2, "unreadable row")]


def test_nested_objects_become_dotted_names_and_lists_stay_json(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": {"b": {"c": 1.10}}, "d": [{"e": 2.50}], "f": true}\n{"a": 1}\n')
    (first, second), _ = rows_of(tmp_path / "a.jsonl")
    assert first == (1, {"a.b.c": "1.10", "d": '[{"e": "2.50"}]', "f": "true", "a": ""})
    assert second[1]["a"] == "1"


def test_nested_flags_and_whole_parquet_columns_become_text(tmp_path):
    table = pa.table({"tags": [["a"], None], "ok": [True, None], "n": pa.array([1, None], pa.int64())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert [row for _, row in rows_of(tmp_path / "a.parquet")[0]] == [
        {"tags": '["a"]', "ok": "true", "n": "1"},
        {"tags": "", "ok": "", "n": ""},
    ]


def test_what_is_no_parquet_is_refused_by_name(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReadError, match=r"a\.parquet cannot be read"):
        rows_of(tmp_path / "a.parquet")


def test_what_is_no_text_is_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ReadError, match=r"a\.csv"):
        rows_of(tmp_path / "a.csv")


def test_numbers_are_written_without_exponents_and_nothing_is_empty():
    assert [as_text(value) for value in (Decimal("1E+2"), 1e-7, 5.0, float("nan"), None, True)] == [
        "100",
        "0.0000001",
        "5",
        None,
        None,
        "true",
    ]


def test_a_folder_gives_its_files_and_a_wrong_path_is_refused(tmp_path):
    (tmp_path / "b.CSV").write_text("")
    (tmp_path / "notes.md").write_text("")
    assert expand([tmp_path]) == [(tmp_path / "b.CSV", False)]
    assert expand([tmp_path, tmp_path / "b.CSV"]) == [(tmp_path / "b.CSV", True)]
    with pytest.raises(ReadError, match="does not exist"):
        expand([tmp_path / "c.csv"])
