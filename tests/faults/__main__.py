"""``python -m tests.faults --seeds 1-180``: as many sequences of faults as asked for, and a table of verdicts."""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.faults.cluster import Cluster, running_cluster
from tests.faults.fleet import ROOT
from tests.faults.judging import Verdict
from tests.faults.operation_sequence import operation_plan, run_operation
from tests.faults.sequence import plan_of, run_sequence

FOLDER = ROOT / ".faults"
RESULTS = FOLDER / "results.jsonl"
OPERATION_RESULTS = FOLDER / "operations.jsonl"
#: Topics of the sequences before leave traces in the metadata; a fresh cluster has none.
_SEQUENCES_PER_CLUSTER = 25


def main() -> int:
    """Run the seeds asked for; 1 when one of them failed."""
    options = _options()
    FOLDER.mkdir(exist_ok=True)
    done = _passed(OPERATION_RESULTS if options.operations else RESULTS) if options.resume else set()
    seeds = [seed for seed in options.seeds if (seed, options.brokers) not in done]
    run = _one_operation if options.operations else _one
    verdicts: list[Verdict] = []
    with contextlib.suppress(KeyboardInterrupt):
        for verdict in _verdicts(seeds, options.brokers, time.monotonic() + 60 * options.minutes, run):
            verdicts.append(verdict)
            if not verdict.passed and not options.keep_going:
                break
    _print_table(verdicts)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _verdicts(
    seeds: list[int], brokers: int, ends: float, run: Callable[[Cluster, int], Verdict]
) -> Iterator[Verdict]:
    for at in range(0, len(seeds), _SEQUENCES_PER_CLUSTER):
        with running_cluster(brokers) as cluster:
            for seed in seeds[at : at + _SEQUENCES_PER_CLUSTER]:
                if time.monotonic() > ends:
                    return
                yield run(cluster, seed)


def _one(cluster: Cluster, seed: int) -> Verdict:
    plan = plan_of(seed, len(cluster.nodes))
    names = ", ".join(f"{fault.__name__} at {at:.1f} s" for at, fault in plan.faults)
    print(f"seed {seed}: {plan.workers} workers, {plan.shape}, {names}", flush=True)
    empty = Verdict(seed, len(cluster.nodes), [fault.__name__ for _, fault in plan.faults])
    return _kept(empty, RESULTS, lambda folder: run_sequence(cluster, plan, folder, _say))


def _one_operation(cluster: Cluster, seed: int) -> Verdict:
    plan = operation_plan(seed)
    print(f"seed {seed}: {plan.workers} workers, {plan.operation.name}, crash {plan.crash}", flush=True)
    empty = Verdict(seed, 1, [plan.operation.name, plan.crash])
    return _kept(empty, OPERATION_RESULTS, lambda folder: run_operation(cluster, plan, folder, _say))


def _say(text: str) -> None:
    print(text, flush=True)


def _kept(empty: Verdict, results: Path, run: Callable[[Path], Verdict]) -> Verdict:
    """The verdict of a sequence, printed and kept; the folder of one that failed stays."""
    folder = Path(tempfile.mkdtemp(prefix=f"seed-{empty.seed}-", dir=FOLDER))
    try:
        verdict = run(folder)
    except Exception as error:  # noqa: BLE001 - a sequence that could not be run is a failure to be told
        verdict = empty
        verdict.problems = [f"{type(error).__name__}: {error}"]
    print(f"  {'passed' if verdict.passed else 'FAILED'} in {verdict.seconds} s", flush=True)
    for problem in verdict.problems:
        print(f"    {problem}", flush=True)
    with results.open("a") as file:
        file.write(json.dumps(asdict(verdict) | {"at": time.time()}) + "\n")
    if verdict.passed:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=_seeds("1-30"),
        help="A-B, both included, or one seed; several with commas",
    )
    parser.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no sequence after so long")
    parser.add_argument(
        "--resume", action="store_true", help=f"leave out what passed before ({RESULTS.name})"
    )
    parser.add_argument(
        "--operations", action="store_true", help="what operators do, paired with a crash: seeds 1 to 180"
    )
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    """Seeds in the order in which they are named.

    >>> _seeds("7,1-3")
    [7, 1, 2, 3]
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _passed(results: Path) -> set[tuple[int, int]]:
    """Seed and brokers of those whose last verdict was good."""
    last: dict[tuple[int, int], bool] = {}
    if results.exists():
        for line in results.read_text().splitlines():
            found = json.loads(line)
            last[found["seed"], found["brokers"]] = found["passed"]
    return {key for key, is_good in last.items() if is_good}


def _print_table(verdicts: list[Verdict]) -> None:
    runs: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for verdict in verdicts:
        for name in set(verdict.faults):
            runs[name] += 1
            good[name] += verdict.passed
    print("\n| fault | sequences | exact |\n|---|---|---|")
    for name in sorted(runs):
        print(f"| {name} | {runs[name]} | {good[name]} |")
    deaths = Counter(
        "killed by a trap" if death.endswith("the trap") else "ended by itself"
        for verdict in verdicts
        for death in verdict.deaths
    )
    print(f"workers: {dict(deaths)}")
    failed = [verdict.seed for verdict in verdicts if not verdict.passed]
    print(f"| all | {len(verdicts)} | {len(verdicts) - len(failed)} |")
    print(f"failed seeds: {failed}" if failed else "none failed")


if __name__ == "__main__":
    sys.exit(main())
