"""What commands print for people goes through the catalogue: under one that writes capitals, no word of theirs stays small."""

import io
import re
from gettext import NullTranslations

import pytest
from rich.console import Console

from metrics.budget.worlds import Outcome, Trial
from streams import catalogues, topics
from streams.commands import doctor, worlds
from streams.customers import run as customers
from streams.demo.delivery import Arrival
from streams.demo.ground_truth import GroundTruth, verdict
from streams.demo.summary import summary
from streams.demo.table_state import KnownCampaign, TableState
from streams.replay import mappings_command
from streams.replay import run as replay
from streams.settings import Settings
from streams.topics import TopicSpec
from streams.transport.topic_admin import TopicSurvey, print_survey
from streams.transport.topic_differences import TopicDifference

NAMES = re.compile(r"(\{\w+\})")
ORDERS = "customer_id,occurred_at,revenue,order_id\nA,2026-01-05,9,O1\nB,2026-01-20,5,O2\nA,2026-03-03,x,O3\n"


class Capitals(NullTranslations):
    def gettext(self, message: str) -> str:
        return "".join(part if at % 2 else part.upper() for at, part in enumerate(NAMES.split(message)))


@pytest.fixture(autouse=True)
def _capitals(monkeypatch):
    monkeypatch.setattr(catalogues, "translations", lambda _: Capitals())
    monkeypatch.setattr(catalogues, "translated", lambda sentence, _: sentence.upper())
    monkeypatch.setenv("COLUMNS", "250")


def small(text: str) -> set[str]:
    """Words in small letters."""
    return set(re.findall(r"[a-z]{3,}", text))


def printed() -> tuple[io.StringIO, Console]:
    file = io.StringIO()
    return file, Console(file=file, width=250, highlight=False)


def test_a_word_beside_the_catalogue_would_be_found():
    assert small(catalogues.t("{count} orders read", count=3)) == set()
    assert small(f"{3} orders read") == {"orders", "read"}


@pytest.mark.slow
def test_customers(tmp_path, capsys):
    path = tmp_path / "A.CSV"
    path.write_text(ORDERS)
    assert customers.run(Settings(), [path], draws=20) == 1
    said = capsys.readouterr()
    # Names of fields and files stay.
    assert small(said.out + said.err) <= {"revenue", "orders"}
    assert "CUSTOMERS BY MONTH OF ACQUISITION, IN EUR" in said.out
    assert "NOT MAPPED, 1 ROWS" in said.err


@pytest.mark.slow
def test_replay(tmp_path, capsys):
    path = tmp_path / "A.CSV"
    path.write_text("currency,rate,valid_from\nUSD,x,2026-01-01\nGBP,1.2,2026-01-01\n\nTotal\n")
    assert replay.run(Settings(), [path], "fx_rates", print_only=True, progress=False) == 1
    # Names of the topic and the column stay.
    assert small(capsys.readouterr().err) <= {"rates", "rate"}


def test_mappings(capsys):
    assert mappings_command.run(None, None) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("google_ads\t")]
    assert shown
    assert small(" ".join(shown)) <= {"google", "ads", "reports", "campaigns"}


def test_worlds():
    file, console = printed()
    found = Outcome(
        world="W", healthy=9, bad=1, paused=0.1, praised=0.1, boards_hit=0.1, false_share=0.1, caught=1.0,
        median=9.0, p95=None,
    )  # fmt: skip
    worlds._show([found], Trial(boards=1), console)
    assert small(file.getvalue()) == set()


def test_topics():
    file, console = printed()
    specs = [TopicSpec(name, 4) for name in ("A", "B", "C")]
    print_survey(TopicSurvey(specs, ["A"], [TopicDifference("B", "config", "b differs")]), console)
    assert small(file.getvalue()) == set()


def test_doctor(capsys, monkeypatch):
    findings = [
        doctor.judge_replication(1, Settings()),
        doctor.judge_kept_settings({}, Settings()),
        doctor.judge_figures(""),
        *doctor.judge_reports('campaign_covered_reports{campaign_id="C"} 2\n'),
        doctor.judge_clock(10_000, 10_000, 10_000, Settings()),
    ]
    monkeypatch.setattr(doctor, "examine", lambda *_: iter(findings))
    assert doctor.run(Settings()) == 0
    assert small(capsys.readouterr().out) == set()


def test_the_end_of_a_demo():
    state = TableState([KnownCampaign("C-1", "ONE", "", 5.0, 4.0)], {})
    truth = GroundTruth({})
    lines = [*summary(state, 1.0), *summary(state, None), verdict(truth, truth, 0)]
    truth.count(Arrival(topics.CLICKS, "v", {"cost": 1.0, "campaign_id": "c-1"}, 0, 0))
    lines += [verdict(truth, truth, 0), verdict(truth, truth, 2)]
    assert small("\n".join(lines)) == set()
