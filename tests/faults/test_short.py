"""The shortest sequences that meet a kill point, a zombie and a rebalance, and two of operations; the long run is ``make faults``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, running_cluster
from tests.faults.faults import Fault, added_and_removed, rolled, trapped, zombie
from tests.faults.operation_sequence import OperationPlan, run_operation
from tests.faults.operations import OPERATIONS
from tests.faults.sequence import Plan, run_sequence
from tests.faults.workload import MINUTE_MS, Shape

_SHAPE = Shape(3_000, 20 * MINUTE_MS, 12, 3, poison=100)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(1) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("seed", "faults"),
    [
        pytest.param(1, ((2.0, trapped), (6.0, trapped)), id="kill points"),
        pytest.param(2, ((1.0, zombie),), id="zombie"),
        pytest.param(3, ((1.0, added_and_removed), (6.0, rolled)), id="rebalances"),
    ],
)
def test_figures_are_exact_after(
    seed: int, faults: tuple[tuple[float, Fault], ...], cluster: Cluster, tmp_path: Path
) -> None:
    verdict = run_sequence(cluster, Plan(seed, _SHAPE, 2, faults), tmp_path)
    assert verdict.passed, "\n".join([*verdict.events, *verdict.problems])
    assert verdict.counts["final"] > 0


@pytest.mark.parametrize(
    ("seed", "name", "crash"),
    [
        pytest.param(2, "merge_changelog_anew", "amid_recovery", id="computed anew"),
        pytest.param(4, "source_anew", "at_stop", id="accepted"),
    ],
)
def test_an_operation_is_refused_and_figures_are_exact_after(
    seed: int, name: str, crash: str, cluster: Cluster, tmp_path: Path
) -> None:
    (operation,) = (each for each in OPERATIONS if each.name == name)
    verdict = run_operation(cluster, OperationPlan(seed, operation, crash), tmp_path)
    assert verdict.passed, "\n".join([*verdict.events, *verdict.problems])
    assert verdict.counts["published"] > 0
