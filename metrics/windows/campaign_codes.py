"""Codes: small numbers for the campaigns of one merge partition, and for each of them in every attribution model."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from metrics.records.campaign_model import campaign_model, split_campaign_model
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
        """The values of the codes below ``room``, as a column that can be written to."""
        known = len(self._values)
        if known < room:
            longer = np.full(max(room, 2 * known), self._default, dtype=np.int64)
            longer[:known] = self._values
            self._values = longer
        return self._values


class CampaignCodes:
    """The code of each campaign, followed by its codes in the models. A name is that of a campaign, or of a campaign in a model.

    Args:
        models: the attribution models but ``declared``.

    >>> codes = CampaignCodes(["linear"]); int(codes.codes(["c", "d"])[1]), len(codes.names)
    (2, 4)
    >>> codes.with_models(np.array([2], np.int32)).tolist(), codes.code(campaign_model("e", "other"))
    ([2, 3], None)
    """

    def __init__(self, models: Sequence[str]) -> None:
        #: The name of each code.
        self.names: list[str] = []
        #: The code of each name that was asked for; None where its model is not computed.
        self.known: dict[str, int | None] = {}
        self._models = tuple(models)

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """The code of a name, if it has one."""
        return self.known.get(name)

    def code(self, name: str) -> int | None:
        """The code of a name, which is given one when it is new; None where its model is not computed."""
        if name not in self.known:
            campaign, model = split_campaign_model(name)
            if model is None or model in self._models:
                self._add(campaign)
            else:
                self.known[name] = None
        return self.known[name]

    def campaign(self, campaign_id: str) -> int:
        """The code of a campaign, which is given one when it is new."""
        code = self.code(campaign_id)
        assert code is not None, "only models are left out"
        return code

    def codes(self, names: Iterable[str]) -> Codes:
        """The code of each name, -1 where its model is not computed."""
        known = self.known  # a call for each name would be one for every pane that changes
        found = [known[name] if name in known else self.code(name) for name in names]
        return np.array([-1 if code is None else code for code in found], dtype=np.int32)

    def are_models(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """For each code whether it is that of a campaign in a model."""
        found: npt.NDArray[np.bool_] = codes % self._stride != 0
        return found

    def campaigns(self, codes: Codes) -> Codes:
        """The code of the campaign of each."""
        return codes - codes % self._stride

    def in_model(self, codes: Codes, model: str) -> Codes:
        """The codes of campaigns in a model."""
        return codes + np.int32(1 + self._models.index(model))

    def model(self, code: int) -> str | None:
        """The model of a code; None where the code is that of a campaign itself."""
        position = code % self._stride
        return self._models[position - 1] if position else None

    def with_models(self, codes: Codes) -> Codes:
        """Codes, and for the campaigns among them those in all models."""
        if not self._models:
            return codes
        campaigns = codes[codes % self._stride == 0]
        in_models = campaigns[:, None] + np.arange(1, self._stride, dtype=np.int32)
        return np.unique(np.concatenate([codes, in_models.ravel()]))

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
        return 1 + len(self._models)

    def _add(self, campaign: str) -> None:
        for name in (campaign, *(campaign_model(campaign, model) for model in self._models)):
            self.known[name] = len(self.names)
            self.names.append(name)
