"""``roistream backtest --worlds``: what a policy does to healthy and to bad campaigns, before it may act.

Boards of simulated campaigns run through the controller under ``enforce``; each row is a world (``metrics.budget.worlds``).
"""

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from metrics.budget.policy import Policies
from metrics.budget.worlds import WORLDS, Outcome, Trial, World, run_trial
from metrics.values.errors import RoistreamError
from streams import catalogues

HEADINGS = ("on target: paused", "praised", "of pauses wrong", "bad: paused", "median", "95 %")


def run(policies: Policies, trial: Trial, names: Iterable[str] = (), *, as_json: bool = False) -> int:
    """Try the policies in worlds and print the table.

    Args:
        policies: what may be done; the common policy holds for all campaigns.
        trial: boards of each world, and the seed.
        names: of the worlds; none: all.
        as_json: print one JSON array of ``Outcome``.

    Raises:
        RoistreamError: for a world that is not there.
    """
    chosen = [_world(name) for name in names] or list(WORLDS.values())
    found = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for world in progress.track(chosen, description=catalogues.t("worlds")):
            progress.console.print(f"{world.name} …", highlight=False)
            found.append(run_trial(world, policies, trial))
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print(msgspec.json.encode(found).decode(), markup=False)
    else:
        _show(found, trial, console)
    return 0


def _world(name: str) -> World:
    if name not in WORLDS:
        raise RoistreamError(f"There is no world {name!r}; there are: {', '.join(WORLDS)}.")
    return WORLDS[name]


def _show(found: list[Outcome], trial: Trial, console: Console) -> None:
    healthy, bad = found[0].healthy, found[0].bad
    table = Table(
        title=catalogues.t(
            "{healthy} campaigns on target and {bad} at {ratio} × target in each world, on boards of {size}; seed {seed}",
            healthy=catalogues.number(healthy),
            bad=catalogues.number(bad),
            ratio=catalogues.figure(trial.bad_ratio, 6),
            size=trial.size,
            seed=trial.seed,
        )
    )
    table.add_column(catalogues.t("world"), overflow="fold")
    for name in HEADINGS:
        table.add_column(catalogues.t(name), justify="right")
    for each in found:
        shares = (each.paused, each.praised, each.false_share, each.caught)
        table.add_row(
            each.world,
            *(catalogues.percent(share, 1) for share in shares),
            _times(each.median),
            _times(each.p95),
        )
    console.print(table)
    text = catalogues.t(
        "Paused: ever, by evidence. Praised: ever called surely better than its target. Median and 95 %: spend of a bad "
        "campaign until its pause, in targets, from when it was bad."
    )
    console.print(text)


def _times(spent: float | None) -> str:
    return "–" if spent is None else f"{catalogues.number(spent, 1)} ×"
