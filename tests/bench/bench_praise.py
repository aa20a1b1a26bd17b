"""How often campaigns exactly on target are called surely better, and how soon those that are better, through the controller.

Run: python tests/bench/bench_praise.py [boards] [world ...]
"""

import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from metrics.budget.policy import preset
from metrics.budget.worlds import WORLDS, Trial, run_trial

#: What better campaigns bring, times the target, and the spend up to which they are watched.
MARGINS = ((1.1, 1000.0), (1.25, 500.0), (1.5, 200.0))


def main():
    boards = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    names = sys.argv[2:] or [name for name, world in WORLDS.items() if world.turns_after == 0]
    print(
        f"{boards} boards of 50 campaigns, half of them better; bold: at most 5 % of the others ever praised"
    )
    for name in names:
        for margin, horizon in MARGINS:
            world = msgspec.structs.replace(WORLDS[name], horizon=horizon)
            found = run_trial(
                world, preset("bold"), Trial(boards=boards, bad_share=0.5, bad_ratio=1 / margin, looks=2)
            )
            reach = "-" if found.praise_median is None else f"{found.praise_median:.0f} x"
            print(
                f"{name:30} {margin:4} to {horizon:5.0f} x: praised {found.recognised:6.1%}, median {reach:>6}; "
                f"on target praised {found.praised:5.1%}, paused {found.paused:5.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
