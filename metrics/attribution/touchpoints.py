"""Touchpoints: the campaign and the channel of touches, as codes; and paths packed with these codes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.attribution.models import Path, Touch
from metrics.records.events import DIRECT, NO_CAMPAIGN

Instants = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

#: A touch in a remembered path: event time, and twice the code of its touchpoint, 1 more for a click.
PATH = np.dtype([("at", "<i8"), ("code", "<i4")])


class TouchpointRanks(NamedTuple):
    """What crediting needs to know of touchpoints, by code.

    Attributes:
        names: the campaigns in order of name, among them the one of what cannot be credited.
        none: its code.
        campaigns: the campaign of each touchpoint.
        orders: the order of each touchpoint, by campaign and channel.
        directs: whether the channel is ``direct``.
    """

    names: list[str]
    none: int
    campaigns: Codes
    orders: Instants
    directs: npt.NDArray[np.bool_]


class Touchpoints:
    """Codes of touchpoints: pairs of campaign and channel. Codes are given in order and never change.

    >>> touchpoints = Touchpoints(); touchpoints.code("a", "search"), touchpoints.code("a", ""), touchpoints.code("a", "search")
    (0, 1, 0)
    """

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []
        self._codes: dict[tuple[str, str], int] = {}
        self._stored = 0
        self._ranks: TouchpointRanks | None = None

    def code(self, campaign: str, channel: str) -> int:
        """The code of a touchpoint, which is given one when it is new."""
        found = self._codes.get((campaign, channel))
        if found is None:
            found = self._codes[campaign, channel] = len(self.names)
            self.names.append((campaign, channel))
        return found

    def encode(
        self, campaign_codes: Codes, campaigns: Sequence[str], channel_codes: Codes, channels: Sequence[str]
    ) -> Codes:
        """Touchpoint codes of a batch whose campaigns and channels (-1: none) are codes of its own lists."""
        width = len(channels) + 1
        pairs = campaign_codes.astype(np.int64) * width + channel_codes + 1
        distinct, inverse = np.unique(pairs, return_inverse=True)
        codes = [
            self.code(campaigns[pair // width], channels[pair % width - 1] if pair % width else "")
            for pair in distinct.tolist()
        ]
        return np.array(codes, np.int32)[inverse]

    def campaigns(self) -> tuple[list[str], Codes]:
        """The different campaigns, sorted, and for each touchpoint the index of its campaign."""
        names = sorted({campaign for campaign, _ in self.names})
        codes = {name: code for code, name in enumerate(names)}
        return names, np.array([codes[campaign] for campaign, _ in self.names], np.int32)

    def ranks(self) -> TouchpointRanks:
        """Campaigns and orders of all touchpoints; made anew after a touchpoint was added."""
        if self._ranks is None or len(self._ranks.campaigns) < len(self.names):
            names = sorted({NO_CAMPAIGN, *(campaign for campaign, _ in self.names)})
            codes = {name: code for code, name in enumerate(names)}
            orders = np.empty(len(self.names), np.int64)
            by_name = sorted(range(len(self.names)), key=self.names.__getitem__)
            orders[by_name] = np.arange(len(self.names))
            self._ranks = TouchpointRanks(
                names,
                codes[NO_CAMPAIGN],
                np.array([codes[campaign] for campaign, _ in self.names], np.int32),
                orders,
                np.array([channel.lower() == DIRECT for _, channel in self.names], np.bool_),
            )
        return self._ranks

    def path(self, packed: bytes) -> Path:
        """A path as the models see it."""
        return tuple(
            self.touch(at, code >> 1, is_click=bool(code & 1))
            for at, code in np.frombuffer(packed, PATH).tolist()
        )

    def touch(self, at: int, touchpoint: int, *, is_click: bool) -> Touch:
        """A touch as the models see it."""
        return Touch(at, is_click, *self.names[touchpoint])

    def restore(self, code: int, campaign: str, channel: str) -> None:
        """Put back a touchpoint read from the changelog; call in order of code."""
        assert code == len(self.names), "codes are given in order"
        self.code(campaign, channel)
        self._stored = len(self.names)

    def take_changes(self) -> list[tuple[int, tuple[str, str]]]:
        """Touchpoints that were added since the last call."""
        new = list(enumerate(self.names))[self._stored :]
        self._stored = len(self.names)
        return new
