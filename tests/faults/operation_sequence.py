"""One sequence of an operation and a crash: records, the operation while no worker runs, what the start says, and the verdict."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.kpis.compose import DECLARED
from streams import topics
from streams.settings import Settings
from tests.faults import checks
from tests.faults.cluster import Cluster
from tests.faults.faults import Fault, Scene, broker_killed, client_failed, killed, stall, trapped
from tests.faults.fleet import Fleet, Member
from tests.faults.judging import Verdict
from tests.faults.operations import OPERATIONS, Operation, Site
from tests.faults.patience import Deadline, has_ended
from tests.faults.sequence import Cache, run_on_fleet
from tests.faults.workload import (
    MINUTE_MS,
    Log,
    Shape,
    Writer,
    latest_event,
    load_of,
    parsed,
    read_back,
    registered,
)
from tests.support.load import Load
from tests.support.outside import ledgers, published, write
from tests.support.servers.worker import variables

PARTITIONS = 2
GRACE_MS = 10_000
_SHAPE = Shape(1_500, 20 * MINUTE_MS, 6, None)
_SETTLES_WITHIN_S = 120
_ENDS_WITHIN_S = 90
_RECOVERS_WITHIN_S = 120

#: Crashes that are paired with an operation: by a fault of the first suite amid the records, by SIGKILL in the place of SIGTERM
#: before the operation, of the command that mends it, or of a worker that starts after it.
AMID: tuple[Fault, ...] = (killed, trapped, stall, client_failed, broker_killed)
CRASHES = ("none", *(fault.__name__ for fault in AMID), "at_stop", "amid_recovery", "after_recovery")


@dataclass(frozen=True)
class OperationPlan:
    """What a seed stands for: pairs of an operation and a crash, each in turn."""

    seed: int
    operation: Operation
    crash: str

    @property
    def workers(self) -> int:
        return 1 + self.seed % 2


def operation_plan(seed: int) -> OperationPlan:
    """Seeds 1 to 180 are every operation with every crash."""
    which = (seed - 1) % (len(OPERATIONS) * len(CRASHES))
    return OperationPlan(seed, OPERATIONS[which % len(OPERATIONS)], CRASHES[which // len(OPERATIONS)])


def run_operation(cluster: Cluster, plan: OperationPlan, folder: Path, echo: Any = print) -> Verdict:
    """Run the plan on the cluster; its topics are gone afterwards."""
    verdict = Verdict(
        plan.seed, 1, [plan.operation.name, plan.crash], workers=plan.workers, shape="operation"
    )

    cluster.heal()
    cache = Cache(folder)
    cache.start()
    settings = Settings(
        broker=cluster.url,
        redis_url=cache.url,
        topic_prefix=f"o{plan.seed}-{uuid.uuid4().hex[:6]}-",
        partitions=PARTITIONS,
        broker_wait=20_000,
        session_timeout=6_000,
        grace=GRACE_MS,
        idle_after=2_000,
        publish_interval=200,
    )

    def play(scene: Scene) -> None:
        _Sequence(scene, plan, settings, verdict, folder).run()

    return run_on_fleet(cluster, cache, settings, folder, verdict, echo, play)


class _Sequence:
    """The steps of one sequence."""

    def __init__(
        self, scene: Scene, plan: OperationPlan, settings: Settings, verdict: Verdict, folder: Path
    ) -> None:
        self._scene, self._plan, self._settings, self._verdict = scene, plan, settings, verdict
        self._fleet: Fleet = scene.fleet
        self._dice = random.Random(f"{plan.seed}-operation")
        load = load_of(plan.seed, _SHAPE, PARTITIONS, int(time.time() * 1000))
        # Less in the middle, so that a log that loses it grows past where it was by what is written last.
        fifth = len(load) // 5
        self._first, self._second, self._last = (
            load[: 2 * fifth],
            load[2 * fifth : 3 * fifth],
            load[3 * fifth :],
        )
        self._site = Site(scene.cluster, settings, folder / "backup", self._write_last)

    def run(self) -> None:
        operation = self._plan.operation
        write(self._settings, registered())
        self._written(self._first)
        for _ in range(self._plan.workers):
            self._fleet.add()
        if not self._is_read("before the operation"):
            return
        self._stop(signal.SIGTERM)
        operation.prepare(self._site)
        self._start()
        self._amid(self._second)
        if not self._is_read("of the second part"):
            return
        self._stop(signal.SIGKILL if self._plan.crash == "at_stop" else signal.SIGTERM)
        self._scene.say(f"operation {operation.name}")
        operation.act(self._site)
        if operation.says is not None and not self._is_refused(operation.says):
            return
        self._mend(operation)
        self._write_last()
        self._start()
        if self._plan.crash == "after_recovery":
            time.sleep(self._dice.uniform(0.5, 8))
            for _ in killed(self._scene, self._dice):
                time.sleep(1)
        if self._is_exact("after the operation"):
            self._look_at_all()

    # --- steps -------------------------------------------------------------------------------------

    def _written(self, load: Load) -> None:
        writer = Writer(self._settings, load, 0.5)
        writer.start()
        writer.finish()

    def _write_last(self) -> None:
        """What no worker has read before the operation; once."""
        load, self._last = self._last, []
        if load:
            self._written(load)

    def _amid(self, load: Load) -> None:
        """Write while a fault acts."""
        fault = next((each for each in AMID if each.__name__ == self._plan.crash), None)
        self._fleet.wait("the workers are ready", self._fleet.all_ready, 60)
        writer = Writer(self._settings, load, 4)
        writer.start()
        if fault is not None:
            for pause in fault(self._scene, self._dice):
                ends = time.monotonic() + pause
                while time.monotonic() < ends:
                    self._fleet.supervise()
                    time.sleep(0.05)
        self._scene.cluster.heal()
        writer.finish()

    def _stop(self, number: signal.Signals) -> None:
        for member in self._fleet.members:
            member.is_wanted = False
            member.send(number)
        for member in self._fleet.members:
            has_ended(member.process, _ENDS_WITHIN_S)
            member.end()

    def _start(self) -> None:
        for member in self._fleet.members:
            member.start()

    def _is_refused(self, words: str) -> bool:
        """Whether a start ends by itself and says so in one sentence."""
        member = self._fleet.members[0]
        said = self._refusal(member)
        self._scene.say(f"the start says: {said}")
        if words in said:
            return True
        self._verdict.problems.append(f"the start does not say {words!r}: {said}")
        return False

    def _refusal(self, member: Member) -> str:
        before = member.log.stat().st_size
        environment = member._environment | self._site.overrides
        with member.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.launcher"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=member.log.parent,
            )
        if not has_ended(process, _ENDS_WITHIN_S):
            process.kill()
            process.wait()
            return "nothing: the worker runs on"
        return member.log.read_text(errors="replace")[before:].strip().splitlines()[-1]

    def _mend(self, operation: Operation) -> None:
        if operation.way is None:
            operation.undo(self._site)
            return
        if self._plan.crash == "amid_recovery":
            seconds = self._dice.uniform(2, 12)
            self._scene.say(f"recover {operation.way}, killed after {seconds:.1f} s")
            with self._recovering(operation.way) as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                process.kill()
        deadline = Deadline(_RECOVERS_WITHIN_S)
        while True:
            with self._recovering(operation.way) as process:
                said = process.communicate()[0]
            if process.returncode == 0 or deadline.is_over():
                break
            time.sleep(1)  # of a worker that was killed the group hears after its session
        self._scene.say(f"recover {operation.way} says: {said.strip().splitlines()[-1]}")
        if process.returncode != 0:
            self._verdict.problems.append(f"recover ended with {process.returncode}: {said}")

    def _recovering(self, way: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "streams", "recover", way],
            env=variables(self._settings, PYTHONPATH=str(Path(__file__).parents[2])),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    # --- the verdict -------------------------------------------------------------------------------

    def _log(self) -> Log:
        """All that may count: what is in the logs, behind what was counted and is gone with a topic."""
        now = read_back(self._settings)
        return {place: self._site.lost.get(place, []) + values for place, values in now.items()}

    def _is_read(self, when: str) -> bool:
        """Whether all that is written is counted; figures are compared when the whole load is there."""
        return self._settles(when, self._uncounted)

    def _is_exact(self, when: str) -> bool:
        return self._settles(when, self._unsettled)

    def _settles(self, when: str, differences: Callable[[], list[str]]) -> bool:
        began, last = time.monotonic(), [""]

        def settles() -> bool:
            time.sleep(0.4)
            last[:] = differences()
            return not last

        is_exact = self._fleet.wait(f"figures {when}", settles, _SETTLES_WITHIN_S)
        self._verdict.settled_s = round(time.monotonic() - began, 1)
        if is_exact:
            self._scene.say(f"as it should be {when} after {self._verdict.settled_s} s")
        else:
            self._verdict.problems += [f"{when}: {each}" for each in last[:10]]
            self._scene.say(f"WRONG {when}: {last[:3]}")
        return is_exact

    def _uncounted(self) -> list[str]:
        if not self._fleet.all_ready():
            return ["not every worker is ready"]
        log, prefix = self._log(), self._settings.topic_prefix
        ledger = {
            (topic.removeprefix(prefix), partition): outcomes
            for (topic, partition), outcomes in ledgers(self._fleet.living).items()
        }
        return checks.wrong_ledger(ledger, log)

    def _unsettled(self) -> list[str]:
        if found := self._uncounted():
            return found
        log = self._log()
        wanted = checks.expected(log, registered())
        records = published(self._settings, model=DECLARED)
        # A window whose records are gone from the source is published no more: docs/operations.md.
        if self._plan.operation.name == "source_truncated":
            records = [each for each in records if checks.window_of(each) in wanted]
        if found := checks.wrong_figures(records, wanted) or checks.unclosed(
            records, GRACE_MS, latest_event(log)
        ):
            return found
        return self._wrong_letters(log) + self._wrong_views(wanted)

    def _wrong_letters(self, log: Log) -> list[str]:
        """Each broken record of the log is a dead letter; of topics that were made anew, or lost records, offsets say nothing."""
        if self._plan.operation.name in ("source_anew", "source_truncated", "source_unread_lost"):
            return []
        letters = [
            letter | {"topic": letter["topic"].removeprefix(self._settings.topic_prefix)}
            for letter in published(self._settings, topics.DEAD_LETTERS, model=None)
        ]
        if self._plan.operation.name == "absurd_records":  # what registries and words got is refused too
            sources = {name for name, _ in log}
            letters = [letter for letter in letters if letter["topic"].split("~")[-1] in sources]
        return checks.wrong_dead_letters(letters, log)

    def _wrong_views(self, wanted: Any) -> list[str]:
        """Redis shows the totals of the topic: an earlier revision never stays."""
        shown = {
            name: json.loads(text)["sums"]["clicks"]
            for name, text in self._scene.cache.totals(self._settings).items()
        }
        return [
            f"Redis shows {shown.get(campaign)} clicks of {campaign}, and there are {cell['clicks']}"
            for (campaign, window, _), cell in wanted.items()
            if window == "total" and shown.get(campaign) != cell["clicks"]
        ]

    def _look_at_all(self) -> None:
        """Of every record ever published: revisions never fall."""
        records = published(self._settings, model=DECLARED)
        self._verdict.problems += checks.falling_revisions(records)[:10]
        log = self._log()
        self._verdict.counts = {
            "read": sum(map(len, log.values())),
            "published": len(records),
            "broken": sum(parsed(value) is None for values in log.values() for value in values),
        }


def sequences() -> Iterator[OperationPlan]:
    """Every pair once."""
    return (operation_plan(seed) for seed in range(1, len(OPERATIONS) * len(CRASHES) + 1))
