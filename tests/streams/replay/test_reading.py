"""Files become the same rows of text whatever they are."""

import gzip
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from streams.replay.reading import ReadError, as_text, expand, read


def test_csv_json_lines_and_parquet_of_the_same_data_give_the_same_rows(tmp_path):
    (tmp_path / "a.csv").write_text("id,price,when\n7,2.55,2010-12-01 08:26:00\n,3,\n")
    (tmp_path / "a.jsonl").write_text(
        '{"id": 7, "price": 2.55, "when": "2010-12-01 08:26:00"}\n{"id": null, "price": 3, "when": ""}\n'
    )
    times = pa.array([1291191960000000000, None], pa.timestamp("ns"))
    table = pa.table({"id": pa.array([7.0, None]), "price": [2.55, 3.0], "when": times})
    parquet.write_table(table, tmp_path / "a.parquet")
    rows = [[row for _, row in read(tmp_path / f"a.{kind}")] for kind in ("csv", "jsonl", "parquet")]
    assert rows[0] == [
        {"id": "7", "price": "2.55", "when": "2010-12-01 08:26:00"},
        {"id": "", "price": "3", "when": ""},
    ]
    assert rows[1] == rows[2] == rows[0]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    (tmp_path / "a.csv").write_bytes("﻿id\n1\n".encode())
    assert list(read(tmp_path / "a.csv")) == [(2, {"id": "1"})]


def test_latin_1_is_read_when_the_mapping_says_so_and_named_as_a_remedy_when_not(tmp_path):
    (tmp_path / "a.csv").write_bytes("name\nCôte\n".encode("latin-1"))
    assert list(read(tmp_path / "a.csv", encoding="latin-1")) == [(2, {"name": "Côte"})]
    with pytest.raises(ReadError, match="set encoding in the mapping"):
        list(read(tmp_path / "a.csv"))


def test_compressed_files_and_other_delimiters_are_read(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a;b\n1;2\n"))
    (tmp_path / "b.tsv").write_text("a\tb\n1\t2\n")
    assert list(read(tmp_path / "a.csv.gz", delimiter=";")) == [(2, {"a": "1", "b": "2"})]
    assert list(read(tmp_path / "b.tsv")) == [(2, {"a": "1", "b": "2"})]


def test_the_number_of_a_row_is_the_line_it_begins_on(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n"two\nlines",1\n\nx,2\n')
    assert [number for number, _ in read(tmp_path / "a.csv")] == [2, 5]


def test_a_row_of_another_width_is_handed_on_as_unreadable_not_under_wrong_names(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1\n")
    assert list(read(tmp_path / "a.csv")) == [(2, {"": "1 cells where the header has 2"})]


@pytest.mark.parametrize("line", ["{", "[1]", "nonsense"])
def test_a_line_that_is_no_object_is_handed_on_as_unreadable(tmp_path, line):
    (tmp_path / "a.jsonl").write_text(f'{line}\n{{"a": 1}}\n')
    (first, second) = read(tmp_path / "a.jsonl")
    assert list(first[1]) == [""]
    assert second == (2, {"a": "1"})


def test_a_column_named_twice_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,a\n1,2\n")
    with pytest.raises(ReadError, match="twice"):
        list(read(tmp_path / "a.csv"))


def test_nested_flags_and_whole_parquet_columns_become_text(tmp_path):
    table = pa.table({"tags": [["a"], None], "ok": [True, None], "n": pa.array([1, None], pa.int64())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert [row for _, row in read(tmp_path / "a.parquet")] == [
        {"tags": '["a"]', "ok": "true", "n": "1"},
        {"tags": "", "ok": "", "n": ""},
    ]


def test_what_is_no_parquet_is_refused_by_name(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR0")
    with pytest.raises(ReadError, match=r"a\.parquet cannot be read"):
        list(read(tmp_path / "a.parquet"))


def test_numbers_are_written_without_exponents_and_nothing_is_empty():
    assert [as_text(value) for value in (Decimal("1E+2"), 1e-7, 5.0, float("nan"), None, True)] == [
        "100",
        "0.0000001",
        "5",
        "",
        "",
        "true",
    ]


def test_a_folder_gives_its_files_and_a_wrong_path_is_refused(tmp_path):
    (tmp_path / "b.csv").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert expand([tmp_path]) == [(tmp_path / "b.csv", False)]
    assert expand([tmp_path, tmp_path / "b.csv"]) == [(tmp_path / "b.csv", True)]
    with pytest.raises(ReadError, match="does not exist"):
        expand([tmp_path / "c.csv"])
    with pytest.raises(ReadError, match=r"name it \.csv"):
        expand([tmp_path / "notes.txt"])
