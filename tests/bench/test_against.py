"""Two builds are compared pair by pair; the other one is what git has of a commit, run in a folder of its own."""

import subprocess
import sys

import pytest

from metrics.kernels import machine_code
from tests.bench.against import Figures, compare, measure, table
from tests.bench.builds import ROOT, Build, BuildError, build_at, check_out, lock_of
from tests.bench.contenders import Broker


def figures(rate: float) -> Figures:
    return Figures(rate, 1e6 / rate, 300, 4)


def test_the_ratio_is_the_median_of_those_within_a_pair_and_not_that_of_the_medians():
    # The machine was slow in the second pair, so its figures are low on both sides.
    pairs = [(figures(100), figures(80)), (figures(20), figures(20)), (figures(90), figures(60))]
    rate = compare(pairs)["events_per_s"]
    assert (rate.ours, rate.theirs) == (90, 60)
    assert (rate.ratio, rate.lowest, rate.highest) == (1.25, 1.0, 1.5)
    assert "| events a second | 90 | 60 | 1.250 | 1.000 to 1.500 |" in table("abc1234", pairs)


def test_a_build_has_the_files_of_its_commit_and_this_python_where_it_asks_for_the_same_packages(tmp_path):
    name = check_out("HEAD", tmp_path)
    assert (tmp_path / "streams" / "__main__.py").is_file()
    assert not (tmp_path / ".git").exists()
    is_same = lock_of(tmp_path).read_bytes() == lock_of(ROOT).read_bytes()
    if is_same:
        with build_at("HEAD") as build:
            assert (build.name, build.python) == (name, sys.executable)
        assert not build.folder.exists()


def test_a_build_with_the_same_kernels_starts_with_those_that_are_compiled_here():
    ask = "from metrics.kernels import machine_code; print(machine_code.kept(), machine_code.find() is not None)"
    with build_at("HEAD") as build:
        said = subprocess.run(
            [build.python, "-c", ask], cwd=build.folder, capture_output=True, text=True, check=True
        )
        theirs, ours = (
            [path.read_bytes() for path in sorted((folder / "metrics" / "kernels").glob("*.py"))]
            for folder in (build.folder, ROOT)
        )
    image = machine_code.kept()
    if image is None or theirs != ours:
        pytest.skip("no kernels are compiled here, or other ones than those of HEAD")
    place = build.folder / "metrics" / "kernels" / "__pycache__" / image.parent.name / image.name
    assert said.stdout.split() == [str(place), "True"]


def test_a_commit_that_git_does_not_know_and_a_build_without_a_lock_are_refused(tmp_path):
    with pytest.raises(BuildError, match=r"git knows no commit 'no-such-commit' here; a shallow clone"):
        check_out("no-such-commit", tmp_path / "tree")
    with pytest.raises(BuildError, match=r"no requirements\.runtime\.lock and no requirements\.lock"):
        lock_of(tmp_path)


@pytest.mark.verify
def test_a_small_backlog_is_read_by_a_worker_of_each_build(broker):
    found = Broker("Kafka", broker.url, broker.pid)
    with build_at("HEAD") as theirs:
        ours = Build("this tree", ROOT, sys.executable)
        pairs = measure(found, ours, theirs, job="models", events=2_000, campaigns=5, pairs=1)
    assert all(value > 0 for each in pairs[0] for value in each)
