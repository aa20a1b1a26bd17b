"""A crash anywhere repeats no action and loses none: each word of an operator is done once."""

from types import SimpleNamespace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.time import format_instant
from streams import topics
from tests.bench.bench_controller import NOW, board_of
from tests.support.examples import examples

BUDGET = 1_000
#: Where the owner of a checkpoint dies: before the transaction, or before it knows that the transaction is committed.
BEFORE, UNKNOWN, CONFIRMED = range(3)
crashes = st.sampled_from([CONFIRMED, CONFIRMED, BEFORE, UNKNOWN])
steps = st.lists(st.tuples(st.integers(0, 2), crashes), max_size=12)


class Board:
    """A controller with its changelog, its words and its actions."""

    def __init__(self):
        self.changelog, self.words, self.sent = {}, [], []
        self.log = self.opened()

    def opened(self):
        """The next owner, at the live edge."""
        log = board_of(1)
        log.restore(list(self.changelog.items()))
        log.take_over()
        log.stage.is_live = True
        return log

    def say(self):
        """One more word: the budget falls by 1."""
        record = {"decision_id": f"d{len(self.words)}", "campaign_id": "c-0", "verb": "set_budget"}
        word = {**record, "budget": BUDGET - 1 - len(self.words), "occurred_at": format_instant(NOW)}
        self.words.append(SimpleNamespace(offset=len(self.words), key=None, value=msgspec.json.encode(word)))

    def step(self, crash):
        """Hear what was said, and write it down, up to a crash."""
        self.log.stage.take(topics.BUDGET_DECISIONS, 0, self.words)
        made = self.log.checkpoint(NOW)
        if crash != BEFORE:
            self.changelog.update(made.entries)
            self.sent += [msgspec.json.decode(output.value) for output in made.outputs]
        if crash == CONFIRMED:
            self.log.confirm(made.sequence)
        else:
            self.log = self.opened()


@examples(1)
@given(steps)
def test_each_word_is_done_once_whatever_crashes(steps):
    board = Board()
    for count, crash in steps:
        for _ in range(count):
            board.say()
        board.step(crash)
    board.step(CONFIRMED)
    assert len({each["action_id"] for each in board.sent}) == len(board.sent)
    assert [int(each["budget_to"]) for each in board.sent] == [
        BUDGET - 1 - number for number in range(len(board.words))
    ]
