"""The table of worlds in docs/budget.md is of this build: every world has its row, and small boards end as they did beside the table.

``python -m tests.metrics.budget.test_worlds_table`` writes down anew how they end. Run it only together with
``roistream backtest --worlds --preset bold`` for the rows of the table, since the table is what operators go by.
"""

import json
import re
from pathlib import Path

import msgspec
import pytest

from metrics.budget.policy import preset
from metrics.budget.worlds import WORLDS, Trial, run_trial

DOCS = Path(__file__).parents[3] / "docs" / "budget.md"
ENDS = Path(__file__).with_name("ends_of_small_boards.json")
#: Ten campaigns, of which five cost twice their target, looked at twice a day: too few for a figure, enough to see that evidence decides otherwise.
SMALL = Trial(boards=1, size=10, bad_share=0.5, looks=2)


def end_of(name):
    return msgspec.to_builtins(run_trial(WORLDS[name], preset("bold"), SMALL))


def test_every_world_has_one_row_in_the_table():
    table = DOCS.read_text().partition("| world | on target, ever paused")[2].partition("\n\n")[0]
    rows = [re.sub(r" [¹²]", "", line.split("|")[1]).strip() for line in table.splitlines()[2:]]
    assert sorted(rows) == sorted(WORLDS)


@pytest.mark.parametrize("name", WORLDS)
def test_boards_end_as_they_did_when_the_table_was_made(name):
    assert end_of(name) == json.loads(ENDS.read_text()).get(name), (
        "evidence decides otherwise: renew the table in docs/budget.md"
    )


if __name__ == "__main__":
    ENDS.write_text(json.dumps({name: end_of(name) for name in WORLDS}, indent=1, ensure_ascii=False) + "\n")
