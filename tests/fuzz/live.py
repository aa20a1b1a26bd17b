"""The whole product under records that are nearly right: a real worker on a real broker, fed on every topic that it reads.

A round writes records, waits until the worker has given each its verdict, and looks: the process lives, the ledger adds up to what was written,
the figures count back to the ledger, every refused record has its dead letter, the page of metrics can be read. Between rounds the worker is ended or killed
now and then and started again: no record may end it at its next start either. ``python -m tests.fuzz.live --minutes 20``.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from streams import topics
from streams.embedded.broker import embedded_broker
from streams.schema_export.asyncapi import CHANNELS
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.fuzz.mutation import changed_bytes, json_record
from tests.support.outside import Outgoing, ledgers, published, read_all, write
from tests.support.servers.worker import Labelled, WorkerProcess, wait_for

_A_ROUND = 400
_PARTITIONS = 2
#: Some people, campaigns and things, so that records meet.
_NAMES = {
    "campaign_id": ("c-1", "c-2", "c-é", "(none)"),
    "visitor_id": ("v-1", "v-2", "v-3"),
    "customer_id": ("u-1", "u-2"),
    "lead_id": ("l-1", "l-2", "l-3"),
    "order_id": ("o-1", "o-2", "o-3", "o-4"),
    "currency": ("EUR", "USD", "XXX"),
}
_TIMES = (
    "occurred_at",
    "requested_at",
    "starts_at",
    "received_at",
    "reported_at",
    "period_start",
    "period_end",
)
_ALERT = {"alert_id": "a", "campaign_id": "c-1", "rule": "CampaignLosesMoney", "status": "firing", "starts_at": 0,
          "received_at": 0, "labels": {"a": "b"}}  # fmt: skip
#: Topics that the worker reads besides its sources; what others write there must not end it.
_OTHERS = (*topics.REGISTRIES, topics.BUDGET_DECISIONS, topics.BUDGET_ALERTS, topics.CAMPAIGN_KPIS)
_INTERNAL = (topics.PARTIALS, topics.REKEYED)


class Outcome(NamedTuple):
    """What a run has shown.

    Attributes:
        records: written, by topic.
        verdicts: of the sources' records.
        letters: dead letters, by reason.
        starts: of workers.
    """

    records: Counter[str]
    verdicts: Counter[str]
    letters: Counter[str]
    starts: int


def examples() -> dict[str, list[dict[str, Any]]]:
    """Records that are right, by topic."""
    found: dict[str, list[dict[str, Any]]] = {}
    for channel in CHANNELS:
        found.setdefault(channel.topic, []).append(json.loads(json.dumps(channel.example)))
    found.setdefault(topics.BUDGET_ALERTS, []).append(dict(_ALERT))
    return found


class LiveFuzz:
    """One deployment, and what was written to it.

    Args:
        settings: of the deployment.
        folder: for logs.
        seed: of everything that is drawn.
    """

    def __init__(self, settings: Settings, folder: Path, seed: int) -> None:
        self.settings = settings
        self._folder = folder
        self._dice = random.Random(seed)
        self._examples = examples()
        self._records: Counter[str] = Counter()
        self._written: Counter[tuple[str, int]] = Counter()
        self._number = 0
        self._starts = 0

    def run(self, seconds: float) -> Outcome:
        """Rounds until the time is over; an assertion says what broke."""
        ensure_topics(self.settings, create=True)
        ends = time.monotonic() + seconds
        worker = self._start()
        try:
            while True:
                self._round(worker)
                if time.monotonic() > ends:
                    break
                if self._dice.random() < 0.3:
                    worker.kill() if self._dice.random() < 0.5 else self._end(worker)
                    worker = self._start()
            self._end(worker)
            worker = self._start()
            return self._outcome(worker)
        finally:
            if worker.process.poll() is None:
                worker.kill()

    def _start(self) -> WorkerProcess:
        self._starts += 1
        worker = WorkerProcess(self.settings, self._folder, "worker")
        worker.wait_ready()
        return worker

    def _end(self, worker: WorkerProcess) -> None:
        assert worker.terminate() == 0, worker.tail()

    def _round(self, worker: WorkerProcess) -> None:
        some = [self._record() for _ in range(_A_ROUND)]
        self._records.update(topic for topic, _, _ in some)
        counts = write(self.settings, some)
        self._written.update({key: n for key, n in counts.items() if key[0] in topics.SOURCES})
        self._look(worker)

    def _record(self) -> Outgoing:
        dice = self._dice
        kind = dice.random()
        if kind < 0.06:
            return (
                dice.choice(_INTERNAL),
                self._key(),
                changed_bytes(dice.randbytes(dice.randrange(60)), dice),
            )
        topic = dice.choice(topics.SOURCES) if kind < 0.75 else dice.choice(_OTHERS)
        tree = dict(dice.choice(self._examples[topic]))
        self._number += 1
        now = int(time.time() * 1000)
        for name in tree:
            if name in _NAMES:
                tree[name] = dice.choice(_NAMES[name])
            elif name in ("event_id", "report_id", "decision_id", "alert_id"):
                tree[name] = f"{self._number if dice.random() < 0.9 else dice.randrange(1, 9)}"
            elif name in _TIMES and dice.random() < 0.8:
                tree[name] = now - dice.choice((0, 1, 60_000, 3_600_000, 86_400_000)) + (name == "period_end")
        if topic == topics.CAMPAIGN_KPIS and dice.random() < 0.9:
            tree["campaign_id"] = (
                "c-9"  # a reading of nobody's, so that readers of the topic are not misled more than they must be
            )
        # Kafka itself refuses a record without a key on a compacted topic, and its client one without key and value.
        key, value = self._key(), json_record(tree, dice)
        return topic, key or b"k" if topic in topics.REGISTRIES or value is None else key, value

    def _key(self) -> bytes | None:
        return self._dice.choice((None, b"", b"v-1", b"v-2", b"c-1", b"\xff\xfe", b"k" * 300, b'"v-1"'))

    def _look(self, worker: WorkerProcess) -> None:
        read_all([worker], self.settings, self._written)
        assert worker.process.poll() is None, f"the worker ended: {worker.tail()}"
        # A page that nobody waits for any more is aiohttp's to complain of; a step or a record that failed is ours.
        log = worker.log.read_text(errors="replace")
        assert not any(
            words in log for words in ("could not be processed", "A step of the budget controller failed")
        ), worker.tail()

    def _outcome(self, worker: WorkerProcess) -> Outcome:
        self._look(worker)
        differences = wait_for("histories are counted back", lambda: _counted_back(worker))
        assert not any(differences.values()), {key: n for key, n in differences.items() if n}
        unaccounted = worker.samples()["roistream_ledger_unaccounted_records"]
        assert not any(unaccounted.values())
        verdicts: Counter[str] = Counter()
        for outcomes in ledgers([worker]).values():
            verdicts.update(outcomes)
        letters = published(self.settings, topics.DEAD_LETTERS)
        sources = {self.settings.topic(name) for name in topics.SOURCES}
        said = {
            (each["topic"], each["partition"], each["offset"]) for each in letters if each["topic"] in sources
        }
        assert len(said) == verdicts["rejected"] + verdicts["too_late"] + verdicts["conflict"]
        reasons = Counter(each["reason"] for each in letters)
        return Outcome(self._records, verdicts, reasons, self._starts)


def _counted_back(worker: WorkerProcess) -> Labelled:
    """Differences of a worker that has just started, which counts first, once all of it has arrived; none before."""
    differences = worker.samples()["roistream_ledger_difference"]
    told = {(dict(labels)["stage"], dict(labels)["partition"]) for labels in differences}
    tasks = {(stage, str(number)) for stage in ("intake", "merge") for number in range(_PARTITIONS)}
    return differences if told == tasks and worker.is_quiet("intake", "merge") else {}


def fuzz_settings(broker: Any) -> Settings:
    """Settings with which a worker goes on whatever share of its records is refused."""
    return fresh_settings(
        broker,
        partitions=_PARTITIONS,
        dead_letters_in_a_row=10**9,
        dead_letter_share=1.0,
        attribution_models=["linear", "last_touch"],
        session_timeout=30_000,  # the default: what a worker of an operator has
    )


def main() -> int:
    """Run for some minutes on a broker of its own; prints what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.live", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, help="where the log of the worker stays")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(embedded_broker())
        fuzz = LiveFuzz(fuzz_settings(broker), folder, options.seed)
        try:
            outcome = fuzz.run(60 * options.minutes)
        except BaseException:
            print((folder / "worker.log").read_text(errors="replace")[-6_000:], file=sys.stderr)
            raise
    for name, value in outcome._asdict().items():
        print(f"{name}: {dict(value) if isinstance(value, Counter) else value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
