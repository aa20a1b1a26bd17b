"""Journeys as a part of stage one's changelog: what a checkpoint writes of them, and how they are read back.

The kinds of their keys begin with ``j``. Touches are packed in blocks, one per checkpoint (DESIGN 2.6).
"""

from typing import Any

import numpy as np

from metrics.attribution.conversion_lag import LagCounts
from metrics.attribution.identity_graph import Person
from metrics.attribution.markov_chain import MarkovFit
from metrics.attribution.rule_versions import RuleHistory
from metrics.attribution.touch_store import TouchBlock, TouchColumns
from streams.stages.intake.attribution.journeys import Journeys
from streams.state.codec import Entry, decode_as, encode, read_key, state_key

MADE_KEY = state_key("jm")
_LAGS_KEY, _FIT_KEY = state_key("jl"), state_key("jf")

Kept = list[tuple[bytes, bytes]]


class JourneyLog:
    """Reads and writes what a partition's journeys remember."""

    def __init__(self, journeys: Journeys) -> None:
        self.journeys = journeys
        self._is_new = True
        self._has_unsent_lags = True

    @property
    def is_due(self) -> bool:
        """Whether something waits for the next checkpoint."""
        journeys = self.journeys
        rewritten = any(store.has_rewritten for store in journeys.touches.values())
        return (
            rewritten
            or journeys.has_stale
            or journeys.unsettled > 0
            or journeys.data_driven.fitting is not None
        )

    def restore(self, kept: Kept, made: RuleHistory) -> None:
        """Fill the journeys, which were made with other views or with these."""
        journeys = self.journeys
        found: dict[str, list[tuple[list[Any], bytes]]] = {}
        for raw, value in kept:
            key = read_key(raw)
            found.setdefault(key[0], []).append((key, value))
        for key, value in sorted(found.get("jn", [])):
            journeys.places.restore(key[1], *decode_as(tuple[str, str], value))
        for key, value in sorted(found.get("jt", [])):
            journeys.touches[bool(key[1])].restore(_unpacked(key[2], value))
        for key, value in found.get("jp", []):
            journeys.people.restore(key[1], decode_as(Person, value))
        for key, value in found.get("jc", []):
            journeys.conversions.restore(key[1], value)
        for _, value in found.get("jl", []):
            journeys.lags.update(decode_as(dict[str, LagCounts], value))
        for _, value in found.get("jf", []):
            journeys.data_driven.fit = decode_as(MarkovFit, value)
        journeys.catch_up(made)
        self._is_new = made != journeys.made

    def take_entries(self, sequence: int, reached: int | None) -> list[Entry]:
        """Changelog records of what changed since the last call."""
        journeys = self.journeys
        journeys.store()
        entries = journeys.conversions.take_changes()
        entries += [
            (state_key("jp", root), None if person is None else encode(person))
            for root, person in journeys.people.take_changes()
        ]
        entries += [(state_key("jn", code), encode(names)) for code, names in journeys.places.take_changes()]
        for is_click, store in journeys.touches.items():
            change = store.checkpoint(sequence, reached)
            entries += [(state_key("jt", int(is_click), gone), None) for gone in change.forgotten]
            entries += [
                (state_key("jt", int(is_click), block.sequence), _packed(block)) for block in change.stored
            ]
        return entries + self._small_entries()

    def take_unsent_lags(self) -> dict[str, LagCounts] | None:
        """Whole values of the lags, where they have changed since they were last sent."""
        if not self._has_unsent_lags:
            return None
        self._has_unsent_lags = False
        return self.journeys.lags

    def _small_entries(self) -> list[Entry]:
        journeys = self.journeys
        entries: list[Entry] = []
        if journeys.lags_changed:
            entries.append((_LAGS_KEY, encode(journeys.lags)))
            journeys.lags_changed = False
            self._has_unsent_lags = True
        if journeys.data_driven.has_changed:
            entries.append((_FIT_KEY, encode(journeys.data_driven.fit)))
            journeys.data_driven.has_changed = False
            self._has_unsent_lags = True
        if self._is_new:
            entries.append((MADE_KEY, encode(journeys.made)))
            self._is_new = False
        return entries


def _packed(block: TouchBlock) -> bytes:
    return encode((block.level, block.latest, *(column.tobytes() for column in block.columns)))


def _unpacked(sequence: int, value: bytes) -> TouchBlock:
    level, latest, visitors, at, places = decode_as(tuple[int, int, bytes, bytes, bytes], value)
    columns = TouchColumns(
        np.frombuffer(visitors, np.uint64), np.frombuffer(at, np.int64), np.frombuffer(places, np.int32)
    )
    return TouchBlock(sequence, level, latest, columns)
