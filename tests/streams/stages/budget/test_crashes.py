"""A crash anywhere repeats no action and loses none: each word of an operator is done once."""

from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.time import format_instant
from streams import topics
from tests.bench.bench_controller import NOW, board_of
from tests.support.examples import examples

BUDGET = 1_000
#: Where the owner of a checkpoint dies: before the append, after that many actions (with transactions: after none or
#: all of them), or before it knows that all is confirmed.
BEFORE, CONFIRMED = -1, None
crashes = st.sampled_from([CONFIRMED, CONFIRMED, BEFORE, 0, 1, 1_000])
steps = st.lists(st.tuples(st.integers(0, 2), crashes), max_size=12)


class Board:
    """A controller with its changelog, its words and its actions."""

    def __init__(self, *, is_atomic):
        self.is_atomic = is_atomic
        self.changelog, self.words, self.sent = {}, [], []
        self.log = self.opened()

    def opened(self):
        """The next owner, at the live edge."""
        log = board_of(1, is_atomic=self.is_atomic)
        log.restore(list(self.changelog.items()))
        log.take_over()
        log.stage.is_live = True
        return log

    def say(self):
        """One more word: the budget falls by 1."""
        record = {"decision_id": f"d{len(self.words)}", "campaign_id": "c-0", "verb": "set_budget"}
        word = {**record, "budget": BUDGET - 1 - len(self.words), "occurred_at": format_instant(NOW)}
        self.words.append(SimpleNamespace(offset=len(self.words), value=msgspec.json.encode(word)))

    def step(self, crash):
        """Hear what was said, and write it down, up to a crash."""
        self.log.stage.take(topics.BUDGET_DECISIONS, 0, self.words)
        made = self.log.checkpoint(NOW)
        if crash != BEFORE and not (self.is_atomic and crash == 0 and made.outputs):
            self.changelog.update(made.entries)
            count = crash if crash and not self.is_atomic else len(made.outputs) if crash != 0 else 0
            self.sent += [msgspec.json.decode(output.value) for output in made.outputs[:count]]
        if crash is CONFIRMED:
            self.log.confirm(made.sequence)
        else:
            self.log = self.opened()


@examples(1)
@pytest.mark.parametrize("is_atomic", [True, False])
@given(steps)
def test_each_word_is_done_once_whatever_crashes(is_atomic, steps):
    board = Board(is_atomic=is_atomic)
    for count, crash in steps:
        for _ in range(count):
            board.say()
        board.step(crash)
    board.step(CONFIRMED)
    if is_atomic:
        assert len({each["action_id"] for each in board.sent}) == len(board.sent)
    done = {each["action_id"]: each["budget_to"] for each in board.sent}
    assert list(done.values()) == [BUDGET - 1 - number for number in range(len(board.words))]
    for each in board.sent:
        assert done[each["action_id"]] == each["budget_to"]


def test_without_transactions_the_action_of_a_lost_confirmation_comes_again_under_its_id():
    board = Board(is_atomic=False)
    board.say()
    board.step(1_000)
    board.step(CONFIRMED)
    first, again = board.sent
    assert first == again
