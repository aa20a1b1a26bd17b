"""A file's frame is found from the file: lines before the names, footers, encoding, delimiter, nothing-words.

Each kind has the small input that was once read wrongly, and three more that a narrow mend would miss.
"""

import gzip
import io
import zipfile

import pytest

from streams.mapping.model import Frame, MappingError
from streams.replay.file_readers import ReadError
from tests.support.replaying import replayed, writer

#: A whole replay for each of them, which together take many seconds.
pytestmark = pytest.mark.slow

GOOGLE = """
description = "campaigns by day"
timezone = "America/Los_Angeles"
[columns]
"Impr." = "count"
Clicks = "count"
Cost = "number"
Conversions = "number"
Day = "date"
[[skip]]
reason = "totals"
when = "starts_with(\\"Campaign status\\", 'Total')"
[[select]]
topic = "campaigns"
sql = "SELECT name_id('g', Campaign) AS campaign_id, Campaign AS name, 'reports' AS cost_basis FROM rows GROUP BY ALL"
[[select]]
topic = "ad-reports"
sql = '''
SELECT name_id('g', Campaign) AS campaign_id, 'google_ads' AS source, Day AS period_start, Day + 1 AS period_end,
  sum("Impr.") AS impressions, sum(Clicks) AS clicks, sum(Cost) AS spend, "Currency code" AS currency,
  sum(Conversions) AS conversions
FROM rows GROUP BY ALL
'''
"""
HEAD = "Campaign status,Campaign,Currency code,Impr.,Clicks,Cost,Conversions,Day\n"
ROWS = (
    'Enabled,Alpha,USD,"1,200",30,"1,045.10",2.00,2026-07-01\n'
    "Enabled,Beta,USD,800, --, --, --,2026-07-01\n"
    "Enabled,Alpha,USD,900,20,40.40,1.00,2026-07-02\n"
)
TOTAL = 'Total: Campaigns, --,USD,"2,900",50,"1,085.50",3.00, --\n'
ALPHA = {"spend": "1085.50", "clicks": "50", "impressions": "2100"}


@pytest.fixture
def run(tmp_path):
    return writer(tmp_path)


def figures(result, *names):
    names = names or ("spend", "clicks", "impressions")
    return {
        key: {name: text.rstrip("0").rstrip(".") if "." in text else text for name, text in value.items()}
        for key, value in result.sums(*names).items()
    }


BOTH = {
    "g-alpha": {"spend": "1085.5", "clicks": "50", "impressions": "2100"},
    "g-beta": {"impressions": "800"},
}


@pytest.mark.parametrize(
    "before",
    [
        'Campaign report\n"July 1, 2026 - July 2, 2026"\n',
        # As wide as the header, as spreadsheets save a title.
        "Campaign report,,,,,,,\nJuly 1 - July 2,,,,,,,\n",
        # Every cell filled, as wide as the header, and one of them a name of a column.
        "Report,Campaign,From,2026-07-01,To,2026-07-02,Zone,PST\n",
        # More lines than the first look of most readers, with blank ones and a quoted line break between.
        '"Report\nof two lines"\n\n' + "".join(f"Filter {n}: none\n" for n in range(15)) + "\n",
    ],
)
def test_lines_before_the_names_are_passed_over(run, before):
    result = run({"report.csv": before + HEAD + ROWS + TOTAL}, GOOGLE)
    assert figures(result) == BOTH
    assert result.exit_code == 0
    assert any("column names on line" in part for part in result.found["report.csv"])


def test_the_line_of_the_names_can_be_said_outright(run):
    result = run({"report.csv": "x\ny\n" + HEAD + ROWS}, GOOGLE, frame=Frame(header=3))
    assert figures(result) == BOTH


ORDERS = """
description = "opportunities"
[columns]
Amount = "number"
"Close Date" = "date"
[[select]]
topic = "orders"
key = ["order_id"]
id = ["order_id"]
sql = 'SELECT "Opportunity ID" AS order_id, "Close Date" AS occurred_at, Amount AS revenue FROM rows'
"""
ORDER_ROWS = 'Opportunity ID,Amount,Close Date,Stage\nO1,"1.200,50",31/12/2025,Closed Won\nO2,"99,00",05/01/2026,Closed Won\n'


@pytest.mark.parametrize(
    "after",
    [
        '\n"Grand Totals (2 records)"\n\n"Confidential Information - Do Not Distribute"\n"Copyright (c) 2000-2026 salesforce.com"\n',
        # Padded to the width of the header.
        'Total,"1.299,50",,\nCopyright (c) 2026,,,\n',
        # A remark that says nothing of totals or rights, after a blank line, over two lines.
        "\nsorted by close date\nseller: all\n",
        # No line end after the last.
        '\n\n"2 records"',
    ],
)
def test_footers_are_left_out_and_counted(run, after):
    result = run({"report.csv": ORDER_ROWS + after}, ORDERS)
    assert [value["revenue"] for value in result.values("orders")] == ["1200.5", "99"]
    assert result.exit_code == 0
    assert sum(result.left.values()) == result.rows - 2 > 0


@pytest.mark.parametrize("last", ["O3\n", "O3,99", 'O3,"99,00",05/01/2026', "O3,x\nO4,y\n"])
def test_a_line_that_was_cut_off_is_no_footer(run, last):
    result = run({"report.csv": ORDER_ROWS + last}, ORDERS)
    assert result.left == {"unreadable row": last.count("\n") or 1}
    assert result.exit_code == 1


def test_a_campaign_whose_name_begins_like_a_total_stays(run):
    rows = (
        HEAD
        + ROWS
        + "Enabled,Total recall,USD,5,1,1.00,0,2026-07-02\nTotal fitness,Gym,USD,5,1,1.00,0,2026-07-02\n"
    )
    result = run({"report.csv": rows}, GOOGLE.replace("'Total')", "'Total:')"))
    assert {"g-total-recall", "g-gym"} <= result.sums("clicks").keys()


@pytest.mark.parametrize(
    ("encode", "named"),
    [
        (lambda text: text.encode("utf-16"), "utf-16"),
        (lambda text: text.encode("utf-16-le"), "utf-16-le"),
        (lambda text: text.encode("utf-16-be"), "utf-16-be"),
        (lambda text: b"\xef\xbb\xbf" + text.encode(), ""),
        (lambda text: text.encode("utf-32"), "utf-32"),
        (lambda text: text.encode("cp1252"), "windows-1252, a guess"),
    ],
)
def test_the_encoding_is_found(run, encode, named):
    text = (
        (HEAD + ROWS.replace("Beta", "Été"))
        .replace(",", "\t")
        .replace('"1\t200"', "1200")
        .replace('"1\t045.10"', "1045.10")
    )
    result = run({"report.csv": encode(text)}, GOOGLE)
    assert {"Alpha", "Été"} == {value["name"] for value in result.values("campaigns")}
    assert named in "; ".join(result.found["report.csv"])


def test_damaged_utf_8_is_an_error_that_names_the_byte_and_not_a_guess(run):
    text = (HEAD + ROWS).replace("Beta", "Été").encode() + b"Enabled,caf\xe9,USD,1,1,1,1,2026-07-02\n"
    with pytest.raises(ReadError, match=r"UTF-8 but for byte \d+"):
        run({"report.csv": text}, GOOGLE)


SIMPLE = """
description = "orders"
[columns]
day = "time"
total = "number"
[[select]]
topic = "orders"
key = ["order_id"]
id = ["order_id"]
sql = "SELECT id AS order_id, day AS occurred_at, total AS revenue FROM rows"
"""


def test_lines_before_the_names_end_where_an_editor_shows_that_they_end(run):
    result = run({"report.csv": "A report\u2028of two parts\x0c\nand more\n" + HEAD + ROWS}, GOOGLE)
    assert figures(result) == BOTH


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ORDERS.TSV", "id\tday\ttotal\n1\t2026-06-01\t5.00\n"),
        ("orders.csv", "id;day;total\n1;2026-06-01;5,00\n"),
        ("orders.txt", "id|day|total\n1|2026-06-01|5.00\n"),
        ("orders.csv", "sep=;\nid;day;total\n1;2026-06-01;5,00\n"),
        # Commas in every cell, and more of them than of the delimiter.
        ("orders.csv", "id;day;total;note\n1;2026-06-01;5,00;a, b, c, d, e\n"),
        ("orders.csv", "id,day,total,,\n1,2026-06-01,5.00,,\n"),
        ("orders.csv", '"id", "day", "total"\r\n"1","2026-06-01","5.00"\r\n'),
        # Blank columns with something in them, and one that the rows leave out.
        ("orders.csv", "id,day,,total,\n1,2026-06-01,x,5.00\n"),
        ("orders.csv", "id,day,note,total,Note\n1,2026-06-01,a,5.00,b\n"),
    ],
)
def test_delimiters_and_blank_or_doubled_names_are_read(run, name, text):
    (order,) = run({name: text}, SIMPLE).values()
    assert (order["order_id"], order["revenue"], order["occurred_at"]) == ("1", "5", "2026-06-01T00:00:00Z")


def test_a_name_that_two_columns_have_is_asked_for_by_place(run):
    with pytest.raises(MappingError, match=r"total \(column 3\), total \(column 4\)"):
        run({"orders.csv": "id,day,total,total\n1,2026-06-01,5.00,6.00\n"}, SIMPLE)


@pytest.mark.parametrize("word", [" --", "-", "null", "NULL", r"\N", "(not set)", "N/A", "", "–"])
def test_words_for_nothing_are_nothing_where_a_number_is_meant(run, word):
    rows = ROWS.replace(" --", word)
    result = run({"report.csv": HEAD + rows}, GOOGLE)
    assert figures(result) == BOTH
    assert result.exit_code == 0


def test_words_for_nothing_are_names_where_a_name_may_be_so_and_can_be_said_outright(run):
    rows = HEAD + "Enabled,N/A,USD,1,1,1.0,0,2026-07-01\nEnabled,-,USD,1,1,1.0,0,2026-07-01\n"
    result = run({"report.csv": rows}, GOOGLE)
    assert {value["name"] for value in result.values("campaigns")} == {"N/A", "-"}
    said = run(
        {"report.csv": HEAD + "Enabled,A,USD,k.A.,1,1.0,0,2026-07-01\n"}, GOOGLE, frame=Frame(nulls=["k.A."])
    )
    assert said.sums("impressions", "clicks") == {"g-a": {"clicks": "1"}}


def test_an_unknown_word_is_a_fault_of_its_row_and_not_nothing(run):
    result = run({"report.csv": HEAD + ROWS.replace(" --", "none yet")}, GOOGLE)
    assert result.left == {"ad-reports: Clicks is not a number": 1}
    assert result.examples["ad-reports: Clicks is not a number"] == ["report.csv:3 (none yet)"]


JSON_ORDERS = [{"id": 1, "day": "2026-06-01", "total": 5.10}, {"id": 2, "day": "2026-06-02", "total": "6"}]


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 1, "day": "2026-06-01", "total": 5.10}, {"id": 2, "day": "2026-06-02", "total": "6"}]',
        '{"data": [{"id": 1, "day": "2026-06-01", "total": 5.10},\n {"id": 2, "day": "2026-06-02", "total": "6"}]}',
        '{"code": 0, "page": {"list": [{"id": 1, "day": "2026-06-01", "total": 5.10}, {"id": 2, "day": "2026-06-02", "total": "6"}], "n": 2}}',
        '{"id": 1, "day": "2026-06-01", "total": 5.10}\n\n{"id": 2, "day": "2026-06-02", "total": "6"}\n',
        '\ufeff[\n  {\n  "id": 1, "day": "2026-06-01", "total": 5.10\n},{"id": 2, "day": "2026-06-02", "total": "6"}\n]\n',
    ],
)
def test_json_lines_arrays_and_lists_inside_documents_are_read_with_exact_numbers(run, text):
    result = run({"orders.json": text}, SIMPLE)
    assert [(value["order_id"], value["revenue"]) for value in result.values()] == [("1", "5.1"), ("2", "6")]


def test_a_number_of_json_never_goes_through_a_float(run):
    text = '{"id": 12345678901234567890, "day": "2026-06-01", "total": 123456789012.123456}\n'
    (order,) = run({"orders.jsonl": text}, SIMPLE).values()
    assert (order["order_id"], order["revenue"]) == ("12345678901234567890", "123456789012.123456")


def test_a_document_with_two_lists_asks_which(run):
    text = '{"orders": [{"id": 1, "day": "2026-06-01", "total": 5}], "refunds": [{"id": 2}]}'
    with pytest.raises(ReadError, match=r"several lists \(orders, refunds\)"):
        run({"orders.json": text}, SIMPLE)
    (order,) = run({"orders.json": text}, SIMPLE, frame=Frame(records="orders")).values()
    assert order["order_id"] == "1"


def test_a_source_that_is_said_keeps_orders_of_two_shops_and_reports_of_two_accounts_apart(run):
    text = '[{"id": 1, "day": "2026-06-01", "total": 5.10}]'
    plain, *named = (
        run({"orders.json": text}, SIMPLE, frame=Frame(source=source)).values()[0]
        for source in (None, "shop-a", "shop-b")
    )
    assert "source" not in plain
    assert [(value["order_id"], value["source"]) for value in named] == [("1", "shop-a"), ("1", "shop-b")]
    # The mapping itself says which platform its reports are of; which account, only the user knows.
    reports = run({"report.csv": HEAD + ROWS}, GOOGLE, frame=Frame(source="google-b")).values("ad-reports")
    assert {value["source"] for value in reports} == {"google-b"}
    assert not any(
        "source" in value for value in run({"report.csv": HEAD + ROWS}, GOOGLE).values("campaigns")
    )


TEXT = "id,day,total\n1,2026-06-01,5.00\n"


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("orders.csv", gzip.compress(TEXT.encode(), mtime=0)),  # the bytes tell, not the name
        ("orders.zip", zipped(orders_csv=TEXT, readme_md="not data")),
        ("orders.zip", zipped(orders_csv=TEXT.encode("utf-16"))),
    ],
)
def test_compressed_files_are_read(run, name, content):
    (order,) = run({name: content}, SIMPLE).values()
    assert order["revenue"] == "5"


def test_files_of_one_name_are_all_read_and_told_apart(tmp_path):
    """As downloads of several months have it, in folders or in one zip."""
    (tmp_path / "mine.toml").write_text(SIMPLE)
    paths = [tmp_path / month / "orders.csv" for month in ("may", "june")]
    for number, path in enumerate(paths, 1):
        path.parent.mkdir()
        path.write_text(f"id,day,total\n{number},2026-06-01,5.00\n{number},someday,5.00\nTotal,,10.00\n")
    result = replayed(paths, tmp_path / "mine.toml")
    assert [value["order_id"] for value in result.values()] == ["1", "2"]
    assert result.rows == 6
    wrong = [place for place, _, reason, _ in result.every_left if reason.startswith("orders: ")]
    assert wrong == [str(path) for path in paths]
    with zipfile.ZipFile(tmp_path / "orders.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"{path.parent.name}/orders.csv")
    packed = replayed([tmp_path / "orders.zip"], tmp_path / "mine.toml")
    assert [value["order_id"] for value in packed.values()] == ["1", "2"]


def test_a_spreadsheet_is_read_with_its_dates_and_numbers(run):
    assert_sheet(
        run(
            {
                "orders.xlsx": sheet(
                    [
                        ["Orders of June"],
                        [],
                        ["id", "day", "total"],
                        [1, "2026-06-01", 5.125],
                        [2, "2026-06-02", 1200],
                    ]
                )
            },
            SIMPLE,
        )
    )


def assert_sheet(result):
    assert [(value["order_id"], value["revenue"]) for value in result.values()] == [
        ("1", "5.125"),
        ("2", "1200"),
    ]
    assert any("sheet 'Sheet1'" in part for part in result.found["orders.xlsx"])


def sheet(rows):
    """A workbook of one sheet, as small as the format allows."""
    cells = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{"ABC"[place]}{number}"><v>{value}</v></c>'
            if isinstance(value, int | float)
            else f'<c r="{"ABC"[place]}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
            for place, value in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    base = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{types}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{base}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{base}.worksheet+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        )
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"PKbinary", b"PK\x03\x04 torn", b"\xd0\xcf\x11\xe0 torn"])
def test_a_damaged_spreadsheet_says_to_save_it_as_csv(run, content):
    with pytest.raises(ReadError, match="save it as CSV"):
        run({"orders.xlsx": content}, SIMPLE)
