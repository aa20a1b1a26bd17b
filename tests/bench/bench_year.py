"""A year of boards of fifty campaigns under each preset: is any healthy one ever paused, and what share of the pauses is wrong.

Run: python tests/bench/bench_year.py [boards] [preset ...]
"""

import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from metrics.budget.policy import PRESETS, preset
from metrics.budget.worlds import WORLDS, Trial, run_trial


def main():
    boards, names = int(sys.argv[1]) if len(sys.argv) > 1 else 6, sys.argv[2:] or list(PRESETS)
    plain = WORLDS["plain"]
    year = msgspec.structs.replace(plain, horizon=365 * plain.results_per_day)
    print(
        f"{boards} boards of 50 campaigns, {plain.results_per_day:g} results a day on target, looked at daily for a year"
    )
    for name in names:
        for bad in (0, 5):
            found = run_trial(year, preset(name), Trial(boards=boards, bad_share=bad / 50, looks=1))
            print(
                f"{name:9} {bad} of 50 at 2 x target: boards with a healthy one paused {found.boards_hit:.0%}, healthy ever paused "
                f"{found.paused:.2%}, of pauses wrong {found.false_share:.1%}, bad paused {found.caught:.0%}, praised {found.praised:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
