"""Sums of cohorts in attribution models, and the numbers under which accounts hold what each model says of them.

A model has one number from when it is switched on until it is switched off, and no other ever has that number: what accounts and
records hold of an earlier time of the model means nothing any more.
"""

from collections.abc import Iterable, Sequence

from metrics.attribution.models import MODELS
from metrics.customers.cohort_sums import NO_CUSTOMER, CohortKey, CohortSums
from metrics.records.campaign_model import campaign_model, split_campaign_model
from metrics.records.events import NO_CAMPAIGN
from streams.stages.intake.cohort_table import CohortTable
from streams.state.codec import Entry, decode_as, encode, read_key, state_key
from streams.state.table import Restored

#: More models than there ever are.
_MODELS = 1 << 6


class ModelCohortTable(CohortTable):
    """The cohorts of one home in models; ``CohortKey.campaign`` is the campaign in the model.

    Args:
        kind: of the records.
        models: those that customers have cohorts in, without ``_cohort`` models.
    """

    def __init__(self, kind: str, models: Sequence[str]) -> None:
        super().__init__(kind)
        #: By model, as accounts and the keys of records have it.
        self.numbers: dict[str, int] = {}
        self._models = models
        self._stored: dict[str, int] = {}
        #: Models that no customer so far is counted in.
        self._fresh: list[str] = []
        self._epoch = 0
        self._number(models)

    def begin(self, epoch: int) -> None:
        """A state is put back, whose next checkpoint is of an epoch that none before had."""
        self._epoch = epoch

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the sums of models that were kept all the time."""
        cohorts = dict(entries)
        numbers = cohorts.pop(state_key(self.kind), None)
        self._stored = {} if numbers is None else decode_as(dict[str, int], numbers)
        self.numbers = {model: self._stored[model] for model in self._models if model in self._stored}
        self._number([model for model in self._models if model not in self.numbers])
        obsolete = []
        for key, packed in cohorts.items():
            campaign, month, number = read_key(key)[1:]
            model = split_campaign_model(campaign)[1] or ""
            if self.numbers.get(model) == number:
                self._put_back(CohortKey(campaign, month), packed, confirmed)
            else:
                obsolete.append(key)
        return obsolete

    def fill(self, declared: Iterable[tuple[CohortKey, CohortSums]]) -> None:
        """Count everybody who is known in the models that are new: as customers of no campaign, until models say more."""
        if not self._fresh:
            return
        for (campaign, month), sums in declared:
            for model in self._fresh:
                named = campaign if month == NO_CUSTOMER else NO_CAMPAIGN
                self.change(CohortKey(campaign_model(named, model), month)).add(sums)
        self._fresh = []

    def take_changes(self, sequence: int) -> list[Entry]:
        """Sums that have changed, tombstones of those that are forgotten, and the numbers where they are new."""
        found = super().take_changes(sequence)
        if self.numbers != self._stored:
            self._stored = dict(self.numbers)
            found.append((state_key(self.kind), encode(self.numbers) if self.numbers else None))
        return found

    def _number(self, fresh: Sequence[str]) -> None:
        self._fresh = list(fresh)
        self.numbers |= {model: self._epoch * _MODELS + MODELS.index(model) for model in fresh}

    def _key(self, cohort: CohortKey) -> bytes:
        model = split_campaign_model(cohort.campaign)[1] or ""
        return state_key(self.kind, *cohort, self.numbers[model])
