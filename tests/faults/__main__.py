"""``python -m tests.faults --seeds 1-180``: as many sequences of faults as asked for, and a table of verdicts."""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.faults.cluster import Cluster, running_cluster
from tests.faults.fleet import ROOT
from tests.faults.judging import Verdict
from tests.faults.sequence import plan_of, run_sequence

FOLDER = ROOT / ".faults"
RESULTS = FOLDER / "results.jsonl"
#: Topics of the sequences before leave traces in the metadata; a fresh cluster has none.
_SEQUENCES_PER_CLUSTER = 25


def main() -> int:
    """Run the seeds asked for; 1 when one of them failed."""
    options = _options()
    FOLDER.mkdir(exist_ok=True)
    done = _passed() if options.resume else set()
    seeds = [seed for seed in options.seeds if (seed, options.brokers) not in done]
    verdicts: list[Verdict] = []
    with contextlib.suppress(KeyboardInterrupt):
        for verdict in _verdicts(seeds, options.brokers, time.monotonic() + 60 * options.minutes):
            verdicts.append(verdict)
            if not verdict.passed and not options.keep_going:
                break
    _print_table(verdicts)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _verdicts(seeds: list[int], brokers: int, ends: float) -> Iterator[Verdict]:
    for at in range(0, len(seeds), _SEQUENCES_PER_CLUSTER):
        with running_cluster(brokers) as cluster:
            for seed in seeds[at : at + _SEQUENCES_PER_CLUSTER]:
                if time.monotonic() > ends:
                    return
                yield _one(cluster, seed)


def _one(cluster: Cluster, seed: int) -> Verdict:
    plan = plan_of(seed, len(cluster.nodes))
    folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=FOLDER))
    names = ", ".join(f"{fault.__name__} at {at:.1f} s" for at, fault in plan.faults)
    print(f"seed {seed}: {plan.workers} workers, {plan.shape}, {names}", flush=True)
    try:
        verdict = run_sequence(cluster, plan, folder, lambda text: print(text, flush=True))
    except Exception as error:  # noqa: BLE001 - a sequence that could not be run is a failure to be told
        verdict = Verdict(seed, len(cluster.nodes), [fault.__name__ for _, fault in plan.faults])
        verdict.problems = [f"{type(error).__name__}: {error}"]
    print(f"  {'passed' if verdict.passed else 'FAILED'} in {verdict.seconds} s", flush=True)
    for problem in verdict.problems:
        print(f"    {problem}", flush=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(asdict(verdict) | {"at": time.time()}) + "\n")
    if verdict.passed:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=_range, default=range(1, 31), help="A-B, both included, or one seed")
    parser.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no sequence after so long")
    parser.add_argument(
        "--resume", action="store_true", help=f"leave out what passed before ({RESULTS.name})"
    )
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    return parser.parse_args()


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _passed() -> set[tuple[int, int]]:
    """Seed and brokers of those whose last verdict was good."""
    last: dict[tuple[int, int], bool] = {}
    if RESULTS.exists():
        for line in RESULTS.read_text().splitlines():
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
