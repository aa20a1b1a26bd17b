"""The lists under "Where do I add …" in docs/architecture.md are true: each is followed with an example, in a copy of the tree.

An example may edit what its list names, and nothing else; then the copy must do what was added.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
#: An edit of a file: from its text, None where there is none, to its new text.
Edit = Callable[[str | None], str]


def listed() -> dict[str, list[str]]:
    """The paths that each list of the page names, by its heading."""
    text = PAGE.read_text().partition("## Where do I add")[2]
    sections = re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return {
        title: [path for path in re.findall(r"`([^`\s]+/[^`\s]*)`", body) if not path.startswith("--")]
        for title, body in sections
    }


def after(marker: str, text: str) -> Edit:
    """An edit that puts a text behind the first place where the marker stands."""

    def edit(old: str | None) -> str:
        assert old is not None
        assert marker in old
        return old.replace(marker, marker + text, 1)

    return edit


def before(marker: str, text: str) -> Edit:
    """An edit that puts a text before the first place where the marker stands."""

    def edit(old: str | None) -> str:
        assert old is not None
        assert marker in old
        return old.replace(marker, text + marker, 1)

    return edit


def file(text: str) -> Edit:
    """An edit that writes a file that was not there."""

    def edit(old: str | None) -> str:
        assert old is None
        return text

    return edit


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what git knows of the tree."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path


def follow(copied: Path, title: str, edits: Mapping[str, Edit]) -> None:
    """Make the edits of an example, all of which must be on the list."""
    paths = listed()[title]
    for name, edit in edits.items():
        assert any(name == path or (path.endswith("/") and name.startswith(path)) for path in paths), name
        path = copied / name
        path.write_text(edit(path.read_text() if path.exists() else None))


def run(copied: Path, *arguments: str, **more: str) -> str:
    """What Python prints in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1", **more}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copied, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_list_names_files_that_are_there():
    assert set(listed()) == {
        "A KPI",
        "A source topic",
        "A sink",
        "A mapping of files to records",
        "An alert",
        "An attribution model",
    }
    for title, paths in listed().items():
        assert paths, title
        assert [path for path in paths if not (ROOT / path).exists()] == [], title


def test_a_kpi(copied: Path):
    follow(
        copied,
        "A KPI",
        {
            "metrics/kpis/formulas.py": lambda old: after(
                "    return {\n",
                '        "refund_share": refund_share(sums.refunds_micros, sums.revenue_micros),\n',
            )(
                before(
                    "# --- All of them",
                    "def refund_share(refunds_micros: int, revenue_micros: int) -> float | None:\n"
                    "    return ratio(refunds_micros, revenue_micros) if revenue_micros else None\n\n\n",
                )(old)
            ),
            "metrics/kpis/catalogue.py": after(
                "KPIS: tuple[KpiSpec, ...] = (\n",
                '    KpiSpec("refund_share", "Refund share", "refunds / revenue", "ratio", "revenue = 0",'
                ' "campaign_refund_ratio"),\n',
            ),
        },
    )
    run(copied, "-m", "streams.schema_export.json_schemas", ".")
    run(copied, "-m", "grafana.generate")
    row = "| `refund_share` | Refund share | refunds / revenue |"
    assert row in (copied / "docs/kpis.md").read_text()
    assert row in (copied / "README.md").read_text()
    assert '"refund_share"' in (copied / "docs/schemas/campaign-kpi.json").read_text()
    assert (
        "campaign_refund_ratio"
        in (copied / "grafana/dashboards/Campaigns/roistream-campaign.json").read_text()
    )
    said = run(
        copied,
        "-c",
        "from metrics.exposition.metric_families import BY_NAME\n"
        "from tests.support.exposed import campaign, page, reading, worker\n"
        'print(BY_NAME["campaign_refund_ratio"].kind)\n'
        'print(page(worker(campaign("c-1", reading(kpis={"refund_share": 0.25})))))',
    )
    assert said.startswith("gauge\n")
    assert re.search(r'^campaign_refund_ratio\{campaign_id="c-1",.*\} 0\.25$', said, flags=re.MULTILINE)


def test_an_attribution_model(copied: Path):
    follow(
        copied,
        "An attribution model",
        {
            "metrics/attribution/models.py": lambda old: after(
                '    "last_non_direct": last_non_direct,\n', '    "both_ends": both_ends,\n'
            )(
                after('"last_non_direct", MARKOV', ', "both_ends"')(
                    before(
                        "_PLAIN: Mapping",
                        "def both_ends(path: Path) -> list[int]:\n"
                        "    between = [0] * (len(path) - 2)\n"
                        "    return [1, *between, 1] if len(path) > 1 else [1]\n\n\n",
                    )(old)
                )
            ),
            "metrics/kernels/credits.py": after(
                "    if model == LAST_TOUCH:\n        weights[size - 1] = 1\n",
                "    elif model == 7:\n        weights[0] = weights[size - 1] = 1\n",
            ),
        },
    )
    said = run(
        copied,
        "-c",
        "import numpy as np\n"
        "from metrics.attribution.batch_credit import ComputedModels, CreditBatch, RuleVersion\n"
        "from metrics.attribution.conversion_credit import ConversionPart\n"
        "from metrics.attribution.models import AttributionRules, Touch, credit\n"
        "from metrics.attribution.touchpoints import PATH, Touchpoints\n"
        "from metrics.sums.tally import Tally\n"
        "places, rules = Touchpoints(), AttributionRules(models=('both_ends',))\n"
        "path = tuple(Touch(at, True, name) for at, name in enumerate('abc'))\n"
        "packed = np.array([(t.at, 2 * places.code(t.campaign, '') + 1) for t in path], PATH).tobytes()\n"
        "batch = CreditBatch()\n"
        "batch.put([ConversionPart(9, Tally(leads=1))], packed, RuleVersion(0, 7), b'', 1)\n"
        "ranks = places.ranks()\n"
        "sums = batch.credit(ComputedModels({'both_ends': 0}), ranks, np.zeros(len(ranks.names))).sums()\n"
        "print(credit('both_ends', path, rules, {}))\n"
        "print([int(value) for value in sums.sums[0]])",
        NUMBA_DISABLE_JIT="1",
    )
    assert said.splitlines() == ["(('a', 500000), ('c', 500000))", "[500000, 500000]"]
    assert "both_ends" in run(
        copied,
        "-c",
        "from streams.settings import Settings; print(Settings(attribution_models=['both_ends']).rules)",
    )


def test_an_alert(copied: Path):
    follow(
        copied,
        "An alert",
        {
            "grafana/prometheus/rules/pipeline.yml": before(
                "      - alert: RoistreamDataStale\n",
                "      - alert: RoistreamNothingReady\n"
                "        expr: max by (job) (roistream_ready) == 0\n"
                "        for: 2m\n"
                "        labels: {kind: operations, severity: critical}\n"
                "        annotations:\n"
                "          summary: 'No worker of {{ $labels.job }} is ready'\n"
                "          description: Look at the logs of the workers.\n"
                "          runbook_url: http://localhost:6067/static/runbooks.html#roistreamnothingready\n\n",
            ),
            "tests/support/alert_scenarios.py": lambda old: (
                (old or "")
                + '\n\nSCENARIOS += (Scenario("no worker is ready", {READY: flat(0)}, fires=("RoistreamNothingReady",)),)\n'
            ),
            "docs/boards.md": lambda old: (
                (old or "") + "\n### RoistreamNothingReady\n\nNo worker is ready.\n"
            ),
        },
    )
    run(copied, "-m", "streams.schema_export.json_schemas", ".")
    run(
        copied,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/grafana/test_alert_rules.py"),
        *("-k", "every_alert"),
    )


def test_a_mapping_of_files_to_records(copied: Path):
    title = "A mapping of files to records"
    folder = next(path for path in listed()[title] if path.endswith("mappings/"))
    a_mapping = next((ROOT / folder).glob("*.toml")).read_text()
    follow(copied, title, {f"{folder}till.toml": file(a_mapping)})
    (copied / "rows.csv").write_text("a,b\n1,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "streams", "replay", "rows.csv", "--mapping", "another"],
        cwd=copied,
        env={**os.environ, "PYTHONPATH": str(copied)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert re.search(r"\btill\b", done.stdout + done.stderr)  # among the mappings that there are


def test_a_source_topic(copied: Path):
    """Calls, each of which is a lead of the campaign that it names."""
    follow(
        copied,
        "A source topic",
        {
            "streams/topics.py": lambda old: after('ORDERS = "orders"\n', 'CALLS = "calls"\n')(
                after("SOURCES = (IMPRESSIONS, CLICKS, REPORTS, LEADS, ORDERS, ERASURES", ", CALLS")(
                    after("EVENT_SOURCES = (IMPRESSIONS, CLICKS, LEADS, ORDERS", ", CALLS")(old)
                )
            ),
            "metrics/records/events.py": lambda old: (
                (old or "")
                + "\n\nclass Call(msgspec.Struct, frozen=True):\n"
                + "    event_id: Identifier\n    occurred_at: Instant\n    campaign_id: Identifier\n"
            ),
            "streams/messages/decoding.py": lambda old: after(
                "    topics.ORDERS: Order,\n", "    topics.CALLS: Call,\n"
            )(after("    AdReport,\n", "    Call,\n")(old)),
            "streams/stages/intake/calls.py": file(
                "from metrics.records.validation import instant\n"
                "from metrics.sums.contribution import Contribution\n"
                "from metrics.sums.tally import Tally\n\n\n"
                "class CallSource:\n"
                "    def __init__(self, clock):\n        self._clock = clock\n\n"
                "    def homes(self, records, events):\n        return [None] * len(records)\n\n"
                "    def judge(self, record, event, home):\n"
                '        at = instant(event.occurred_at, "occurred_at")\n'
                '        self._clock.advance("calls", min(at, record.timestamp))\n'
                "        return event.event_id, lambda _: [Contribution(event.campaign_id, at, Tally(leads=1))]\n\n"
                "    def finish(self, limits):\n        pass\n"
            ),
            "streams/stages/intake/stage.py": lambda old: after(
                "            topics.ORDERS: conversions,\n",
                "            topics.CALLS: CallSource(self.clock),\n",
            )(
                before(
                    "from streams.stages.intake.conversions",
                    "from streams.stages.intake.calls import CallSource\n",
                )(old)
            ),
            "streams/schema_export/asyncapi.py": after(
                "CHANNELS: tuple[Channel, ...] = (\n",
                '    Channel(topics.CALLS, "call", "Phone calls.", _BY_PERSON,\n'
                '            {"event_id": "t-1", "occurred_at": "2026-11-21T10:00:00Z", "campaign_id": "c-1"}),\n',
            ),
            "streams/schema_export/json_schemas.py": after(
                '    "order": events.Order,\n', '    "call": events.Call,\n'
            ),
        },
    )
    run(copied, "-m", "streams.schema_export.json_schemas", ".")
    assert "calls" in (copied / "docs/asyncapi.yaml").read_text()
    assert (copied / "docs/schemas/call.json").exists()
    said = run(
        copied,
        "-c",
        "from metrics.entities.campaigns import CampaignRegistry\n"
        "from streams.messages.source_records import Record\n"
        "from streams.stages.intake.stage import IntakeOptions, IntakeStage\n"
        "day = 86_400_000\n"
        "stage = IntakeStage(0, IntakeOptions(1, 300_000, day, 1_000, day), CampaignRegistry('EUR'))\n"
        'value = b\'{"event_id": "t-1", "occurred_at": 1700000000000, "campaign_id": "c-1"}\'\n'
        "records = [Record(offset, 1_700_000_000_000, b'', value) for offset in range(2)]\n"
        "stage.process('calls', records, 1_700_000_000_000)\n"
        "print(stage.ledger['calls'], stage.offsets, stage.clock.stream_times['calls'])\n"
        "print({tally.leads for tally in stage.panes.tallies.values()})",
    )
    ledger, leads = said.splitlines()
    assert ledger == (
        "LedgerCounts(applied=1, duplicate=1, rejected=0, too_late=0, conflict=0) {'calls': 2} 1700000000000"
    )
    assert leads == "{1}"


def test_a_sink(copied: Path):
    follow(
        copied,
        "A sink",
        {
            "streams/sinks/sequences.py": file(
                "class Sequences:\n"
                "    def confirmed(self, checkpoint):\n        print(checkpoint.partition, checkpoint.sequence)\n\n"
                "    def released(self, partitions):\n        print(sorted(partitions))\n"
            ),
            "streams/worker.py": lambda old: after(
                "for sink in (self.source, self.views, self.board_views", ", Sequences()"
            )(
                before("from streams.sinks.redis_names", "from streams.sinks.sequences import Sequences\n")(
                    old
                )
            ),
        },
    )
    said = run(
        copied,
        "-c",
        "from streams.settings import Settings\n"
        "from streams.state.checkpoint import Checkpoint\n"
        "from streams.worker import Worker\n"
        "for sink in Worker(Settings(), 0).processor.sinks:\n"
        "    if type(sink).__name__ == 'Sequences':\n"
        "        sink.confirmed(Checkpoint(7, [], partition=3))\n"
        "        sink.released([3])",
    )
    assert said.splitlines() == ["3 7", "[3]"]
