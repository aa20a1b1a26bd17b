"""Leads and their stages: each lead counts once as lead, once as MQL, once as SQL (D13).

A stage counts at the earliest record (by ``occurred_at``, then ``event_id``) that has this stage or a
later one; so a later stage seen first counts the earlier ones with it, going back counts nothing, and
any order of arrival ends with the same counts. It counts on the campaign that record names, else on
the campaign of the lead's earliest record that names one, else on ``(none)``.
"""

from typing import NamedTuple

import msgspec

from metrics.records.events import NO_CAMPAIGN
from metrics.sums.contribution import Contribution, difference
from metrics.sums.tally import Tally

STAGES = ("lead", "mql", "sql")
_COUNTS = (Tally(leads=1), Tally(mqls=1), Tally(sqls=1))
_MQL_AND_SQL = Tally(mqls=1, mqls_now_sql=1)


class StageMark(NamedTuple):
    """The record that counts a stage."""

    at: int
    event_id: str
    campaign: str | None


class LeadEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of a lead: the mark of each stage reached, and its earliest named campaign."""

    marks: tuple[StageMark | None, StageMark | None, StageMark | None]
    named: StageMark | None = None

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        return max([mark.at for mark in self.marks if mark is not None])


def observe(entry: LeadEntry | None, stage: str, mark: StageMark) -> tuple[LeadEntry, list[Contribution]]:
    """Take in one record of a lead; return its entry now and what its sums change by."""
    rank = STAGES.index(stage)
    if entry is None:
        marks = [mark if index <= rank else None for index in range(len(STAGES))]
        now = LeadEntry(tuple(marks), mark if mark.campaign is not None else None)  # type: ignore[arg-type]
        return now, contributions(now)
    known = entry.marks
    lead, mql, sql = (_earlier(old, mark) if index <= rank else old for index, old in enumerate(known))
    named = entry.named if entry else None
    if mark.campaign is not None:
        named = _earlier(named, mark)
    now = LeadEntry((lead, mql, sql), named)
    return now, difference(contributions(entry), contributions(now))


def is_read(entry: LeadEntry, stage: str, mark: StageMark) -> bool:
    """Whether a lead's record counts a stage already: read again, it says nothing new, however long ago it was read."""
    return mark in entry.marks[: STAGES.index(stage) + 1]


def is_said(entry: LeadEntry, stage: str) -> bool:
    """Whether an earlier record has said that a lead is in a stage; that it is in a later one does not say so.

    Two records of one lead and stage are a change of what is known of the lead, or two leads of one id.

    >>> mql = StageMark(5, "e", None)
    >>> [is_said(LeadEntry((mql, mql, None)), stage) for stage in STAGES]
    [False, True, False]
    """
    rank = STAGES.index(stage)
    mark = entry.marks[rank]
    return mark is not None and (rank + 1 == len(STAGES) or mark != entry.marks[rank + 1])


def contributions(entry: LeadEntry | None) -> list[Contribution]:
    """Where and when the stages of a lead count."""
    if entry is None:
        return []
    fallback = entry.named.campaign if entry.named else None
    first, mql_mark, sql_mark = entry.marks
    if first is not None and mql_mark is None and sql_mark is None:  # most of them
        return [Contribution(first.campaign or fallback or NO_CAMPAIGN, first.at, _COUNTS[0])]
    lead, _, sql = _COUNTS
    counts = _COUNTS if entry.marks[2] is None else (lead, _MQL_AND_SQL, sql)
    return [
        Contribution(mark.campaign or fallback or NO_CAMPAIGN, mark.at, count)
        for mark, count in zip(entry.marks, counts, strict=True)
        if mark is not None
    ]


def _earlier(known: StageMark | None, new: StageMark) -> StageMark:
    return new if known is None or new[:2] < known[:2] else known
