"""Many sums of one pane at once, as records of a changelog."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from metrics.kernels.packing import LONGEST, pack_keys, pack_parts, pack_rows
from metrics.records.campaign_model import split_campaign_model
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS, Codes, Integers, Tallies
from metrics.windows.panes import DroppedPane, PaneChanges
from streams.state.codec import Entry, encode, state_key

#: What a key or a row takes besides its name and its sums.
_OVERHEAD = 16
_NOTHING = Tally()
#: Up to so many keys are made one by one.
_FEW = 12


class PackedNames:
    """Campaigns as MessagePack, one after the other, as the kernels want them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._packed = bytearray()
        self._ends: list[int] = []
        self._arrays = self._as_arrays()

    def of(self, code: int) -> str:
        """The name of a code."""
        return self._names[code]

    def arrays(self) -> tuple[np.ndarray, Integers]:
        """Bytes of all names, and where each ends."""
        if len(self._ends) < len(self._names):
            for name in self._names[len(self._ends) :]:
                self._packed += encode(name)
                self._ends.append(len(self._packed))
            self._arrays = self._as_arrays()
        return self._arrays

    def _as_arrays(self) -> tuple[np.ndarray, Integers]:
        return np.frombuffer(bytes(self._packed), np.uint8), np.array(self._ends, np.int64)


def entries(names: PackedNames, change: PaneChanges, sequence: int) -> Iterator[Entry]:
    """Changelog records of what has changed in a pane."""
    resolution, start, (codes, sums) = change
    out = np.empty(len(codes) * (_OVERHEAD + LONGEST * len(FIELDS)), np.uint8)
    ends = np.empty(len(codes), np.int64)
    size = pack_rows(sequence, sums.values, out, ends)
    values = _cut(out, size, ends)
    for index, tally in sums.beyond.items():
        values[index] = encode((sequence, tally))
    return zip(_keys(names, resolution, start, codes), values, strict=True)


def parts_entries(
    names: PackedNames,
    resolution: int,
    start: int,
    codes: Codes,
    parts: Mapping[int, Tallies],
    sequence: int,
) -> Iterator[Entry]:
    """Changelog records of what each source said of campaigns in a pane: the sums of those that said anything.

    Args:
        names: campaigns by code.
        resolution: of the pane.
        start: of the pane.
        codes: the campaigns.
        parts: sums by source, in the order of ``codes``.
        sequence: of the checkpoint.
    """
    sources = np.array(list(parts), np.int64)
    sums = np.empty((len(parts), len(FIELDS), len(codes)), np.int64)
    for place, part in enumerate(parts.values()):
        sums[place] = part.values
    out = np.empty(len(codes) * (_OVERHEAD + len(parts) * (1 + len(FIELDS)) * LONGEST), np.uint8)
    ends = np.empty(len(codes), np.int64)
    size = pack_parts(sequence, sources, sums, out, ends)
    values = _cut(out, size, ends)
    for place in {place for part in parts.values() for place in part.beyond}:
        whole = {source: part.tally(place) for source, part in parts.items()}
        said = {source: tally for source, tally in whole.items() if tally != _NOTHING}
        values[place] = encode((sequence, said))
    return zip(_keys(names, resolution, start, codes), values, strict=True)


def few_entries(
    campaigns: Iterable[str],
    resolution: int,
    start: int,
    parts: Iterable[Mapping[int, Tally]],
    sequence: int,
) -> Iterator[Entry]:
    """The same of few campaigns."""
    for campaign, said in zip(campaigns, parts, strict=True):
        some = {source: tally for source, tally in said.items() if tally != _NOTHING}
        yield state_key("p", campaign, resolution, start), encode((sequence, some))


def tombstones(names: PackedNames, dropped: DroppedPane) -> Iterator[Entry]:
    """Changelog records of a pane that is kept no more."""
    if len(dropped.codes) <= _FEW:
        where = dropped.resolution, dropped.start
        return ((state_key("p", names.of(code), *where), None) for code in dropped.codes.tolist())
    return ((key, None) for key in _keys(names, *dropped))


def _keys(names: PackedNames, resolution: int, start: int, codes: Codes) -> list[bytes]:
    packed, name_ends = names.arrays()
    before = state_key("p", None, None, None)[:-3]
    after = msgspec.msgpack.encode(resolution) + msgspec.msgpack.encode(start)
    lengths = np.diff(name_ends, prepend=0)[codes]
    out = np.empty(int(lengths.sum()) + len(codes) * (_OVERHEAD + len(before) + len(after)), np.uint8)
    ends = np.empty(len(codes), np.int64)
    parts = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
    size = pack_keys(packed, name_ends, codes, *parts, out, ends)
    return _cut(out, size, ends)


def _cut(out: np.ndarray, size: int, ends: Integers) -> list[bytes]:
    data, stops = out[:size].tobytes(), ends.tolist()
    return [data[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def is_kept(name: str, models: Collection[str]) -> bool:
    """Whether the sums of a subject, a campaign or a campaign in a model, are still computed.

    >>> from metrics.records.campaign_model import campaign_model
    >>> is_kept("c", ()), is_kept(campaign_model("c", "linear"), ()), is_kept(campaign_model("c", "linear"), ("linear",))
    (True, False, True)
    """
    model = split_campaign_model(name)[1]
    return model is None or model in models
