"""Numbers for the campaigns of one merge partition, and for each of them in every view."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from metrics.attribution.conversion_credit import split_subject, subject
from metrics.sums.tally_columns import Codes, Integers


class CodeColumn:
    """A value by code, the same one where none was set.

    >>> column = CodeColumn(7); column.of(2)[1] = 5; column.of(9)[:3].tolist()
    [7, 5, 7]
    """

    def __init__(self, default: int) -> None:
        self._default = default
        self._values = np.empty(0, dtype=np.int64)

    def of(self, room: int) -> Integers:
        """The values, at least so many; those that are set in it are kept."""
        known = len(self._values)
        if known < room:
            longer = np.full(max(room, 2 * known), self._default, dtype=np.int64)
            longer[:known] = self._values
            self._values = longer
        return self._values


class CampaignCodes:
    """A campaign takes a code, and its views the codes that follow.

    Args:
        views: the attribution models but ``declared``.

    >>> subjects = CampaignCodes(["linear"]); int(subjects.codes(["c", "d"])[1]), len(subjects.names)
    (2, 4)
    >>> subjects.with_models(np.array([2], np.int32)).tolist(), subjects.code(subject("e", "other"))
    ([2, 3], None)
    """

    def __init__(self, views: Sequence[str]) -> None:
        #: The name of each code.
        self.names: list[str] = []
        self._codes: dict[str, int | None] = {}
        self._views = tuple(views)

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """The code of a subject, if it has one."""
        return self._codes.get(name)

    def code(self, name: str) -> int | None:
        """The code of a subject, which is given one when it is new; None for a view that there is not."""
        if name not in self._codes:
            campaign, view = split_subject(name)
            if view is None or view in self._views:
                self._add(campaign)
            else:
                self._codes[name] = None
        return self._codes[name]

    def campaign(self, campaign_id: str) -> int:
        """The code of a campaign, which is given one when it is new."""
        code = self.code(campaign_id)
        assert code is not None, "only views are left out"
        return code

    def codes(self, names: Iterable[str]) -> Codes:
        """The code of each, -1 for a view that there is not."""
        found = (self.code(name) for name in names)
        return np.array([-1 if code is None else code for code in found], dtype=np.int32)

    def are_models(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """For each code whether it is of a campaign in a view."""
        found: npt.NDArray[np.bool_] = codes % self._stride != 0
        return found

    def campaigns(self, codes: Codes) -> Codes:
        """The code of the campaign of each."""
        return codes - codes % self._stride

    def in_model(self, codes: Codes, view: str) -> Codes:
        """The codes of campaigns in a view."""
        return codes + np.int32(1 + self._views.index(view))

    def view(self, code: int) -> str | None:
        """The view of a subject, None of a campaign itself."""
        position = code % self._stride
        return self._views[position - 1] if position else None

    def with_models(self, codes: Codes) -> Codes:
        """Codes, and those of all views of the campaigns among them."""
        if not self._views:
            return codes
        campaigns = codes[codes % self._stride == 0]
        views = campaigns[:, None] + np.arange(1, self._stride, dtype=np.int32)
        return np.unique(np.concatenate([codes, views.ravel()]))

    @property
    def everyone(self) -> Codes:
        """All codes."""
        return np.arange(len(self.names), dtype=np.int32)

    @property
    def room(self) -> int:
        """A size with room for every code that does not change with each new one."""
        return 1 << max(3, len(self.names).bit_length())

    @property
    def _stride(self) -> int:
        return 1 + len(self._views)

    def _add(self, campaign: str) -> None:
        for name in (campaign, *(subject(campaign, view) for view in self._views)):
            self._codes[name] = len(self.names)
            self.names.append(name)
