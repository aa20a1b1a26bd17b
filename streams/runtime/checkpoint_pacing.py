"""How long a task rests between its checkpoints. Pure."""

from typing import NamedTuple

#: A task rests so many times as long as the latest checkpoints of all tasks blocked the event loop; their share of it is then
#: at most 1 / (n + 1): 20 % in general, 50 % where something is due, 25 % for one task during a backlog.
_REST, _REST_DUE, _REST_BEHIND = 4, 1, 3


class CheckpointPacing(NamedTuple):
    """How long a task rests after a checkpoint before the next one, in seconds.

    Attributes:
        least: where the stage has something due, unless checkpoints block the event loop for long.
        longest: where the stage only has changes.
        behind: while there is a backlog, whose age no reader notices.

    >>> pacing = CheckpointPacing(0.1, 0.25, 1.0); [pacing.rest(0.03, 0.001, all_blocked) for all_blocked in (0.008, 0.04, 0.08, 0.4)]
    [0.1, 0.16, 0.25, 0.4]
    >>> [pacing.rest(took, 0.001, 0.008) for took in (0.05, 0.15, 2.0)]
    [0.1, 0.15, 0.25]
    >>> pacing.rest(3.5, blocked=3.0, all_blocked=3.1)  # one heavy checkpoint among light ones
    3.1
    >>> pacing.rest(2.0, 0.5, 4.0, is_behind=True), pacing.rest(2.0, 0.01, 0.08, is_behind=True)
    (1.5, 1.0)
    """

    least: float
    longest: float
    behind: float

    def over(self, interval: float) -> "CheckpointPacing":
        """The pacing whose rests are these numbers of intervals."""
        return CheckpointPacing(*(interval * share for share in self))

    def rest(self, took: float, blocked: float, all_blocked: float, *, is_behind: bool = False) -> float:
        """The rest after a checkpoint.

        Waiting for the broker costs nobody anything: what the wait adds to the rest is bounded. A busy event loop makes the
        wait seem long, and a rest in proportion to it would leave a whole backlog that is read unwritten for seconds.

        Args:
            took: seconds from the checkpoint's beginning to its confirmation.
            blocked: seconds of these in which the event loop could do nothing else.
            all_blocked: the same of the latest checkpoints of all tasks, this one among them.
            is_behind: whether there is a backlog.
        """
        if is_behind:
            return max(self.behind, _REST_BEHIND * blocked)
        return max(self.least, min(self.longest, max(took, _REST * all_blocked)), _REST_DUE * all_blocked)
