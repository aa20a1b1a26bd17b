"""Cohorts of customers, added up over source partitions, and when records of them go out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from metrics.customers.calendar import CohortPeriod, CustomerCalendar
from metrics.customers.cohort_sums import NO_CUSTOMER, CohortKey, CohortSums, added_up
from metrics.customers.funnel import Acquisition
from metrics.records.campaign_model import split_campaign_model
from metrics.values.time import DAY, HOUR
from metrics.windows.publish_schedule import KeyedSchedule
from streams.messages.partials import CohortPartial
from streams.state.codec import Entry, decoder, encode, read_key, state_key
from streams.state.table import Restored

_Parts = dict[int, CohortSums]
_decode_parts = decoder(tuple[int, _Parts])
#: The kinds of tables: one of weeks is another than one of months, so that neither is read as the other.
KINDS: dict[CohortPeriod, str] = {"month": "k", "week": "w"}
#: The same of cohorts in models, so that a build that knows none reads none of them.
MODEL_KINDS: dict[CohortPeriod, str] = {"month": "km", "week": "wm"}
#: In place of the month: all cohorts of the campaign together.
ALL = -1
#: About how many bytes a cohort takes in a checkpoint besides its numbers, and each of those that came or was packed.
_COHORT_BYTES, _NUMBER_BYTES = 500, 3


class CohortParts:
    """The table of the cohorts of one merge partition, whole sums by source partition.

    Args:
        calendar: whose months, or weeks, cohorts go by.
        interval: milliseconds between two records of one cohort.
        retention: how long after its last month a cohort is kept, in ms; 0: none is.
        models: in which there are cohorts beside those that orders declare.
    """

    def __init__(
        self, calendar: CustomerCalendar, interval: int, retention: int, models: Sequence[str] = ()
    ) -> None:
        self.is_kept = retention > 0
        self.kind = KINDS[calendar.period]
        self.schedule = KeyedSchedule[CohortKey](lambda _key: interval)
        #: The kind of the cohorts in models, whose records ``take_model_changes`` gives.
        self.model_kind = MODEL_KINDS[calendar.period]
        self._models = frozenset(models)
        self._of_models: list[Entry] = []
        self._calendar = calendar
        self._retention = retention
        self._packed: dict[CohortKey, bytes] = {}
        self._open: dict[CohortKey, _Parts] = {}
        self._months: dict[str, set[int]] = {}
        self._expired: list[CohortKey] = []
        self._weight = 0
        #: Those whose records views are to be given once more, in order.
        self._shown: dict[CohortKey, None] = {}
        #: The month, the hour and the day of what the watermark was when things were last looked through.
        self._month: int | None = None
        self._hour: int | None = None
        self._expired_day: int | None = None
        #: Campaigns whose spend, clicks and leads are to be compared with those in their last record, in order.
        self._unlooked: dict[str, None] = {}
        #: What the last record of all cohorts of a campaign says of its acquisition.
        self._acquired: dict[str, Acquisition] = {}

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return self._weight

    def take(self, source: int, cohorts: Iterable[CohortPartial], sequence: int) -> None:
        """Take in whole sums of a source partition; they wait to be published since the checkpoint ``sequence``."""
        if not self.is_kept:
            return
        for campaign, month, sums in cohorts:
            if month != NO_CUSTOMER and not self._calendar.counts(month):
                continue  # it was sent before cohorts went by another period
            if not self.computes(campaign):
                continue  # it was sent by a worker of other models
            key = CohortKey(campaign, month)
            parts = self._open.get(key)
            if parts is None:
                packed = self._packed.get(key)
                parts = self._open[key] = {} if packed is None else _decode_parts(packed)[1]
                self._weight += _COHORT_BYTES + len(packed or b"")
                self._months.setdefault(campaign, set()).add(month)
            parts.pop(source, None)
            if sums:
                parts[source] = sums
                self._weight += _NUMBER_BYTES * sums.size
            self._mark(key, sequence)

    def computes(self, campaign: str) -> bool:
        """Whether cohorts of a campaign, or of a campaign in a model, are kept."""
        model = split_campaign_model(campaign)[1]
        return model is None or model in self._models

    def turn(self, watermark: int | None, sequence: int) -> None:
        """Event time has come so far: months may be over, campaigns may have spent in an hour, and old cohorts are forgotten."""
        if watermark is None or not self.is_kept:
            return
        if watermark // HOUR != self._hour:
            self._hour = watermark // HOUR
            self._unlooked.update(dict.fromkeys(self._months))
            month = self._calendar.of(watermark)
            if month != self._month:
                self._month = month
                for key in {*self._packed, *self._open}:
                    self._mark(key, sequence)
        before = watermark - self._retention
        if before // DAY != self._expired_day:
            self._expired_day = before // DAY
            self._expire(before)
            self.show_all()  # views forget what they have not been given for some days

    @property
    def are_looked_at(self) -> bool:
        """Whether the acquisition of every campaign was compared since the last hour began."""
        return not self._unlooked

    def take_unlooked(self, most: int) -> list[str]:
        """Campaigns whose spend is to be handed to ``mark_acquired``."""
        found = list(islice(self._unlooked, most))
        for campaign in found:
            del self._unlooked[campaign]
        return found

    def mark_acquired(self, campaign: str, acquisition: Acquisition, sequence: int) -> None:
        """All cohorts together of a campaign are published, where its acquisition is another than in their last record."""
        if campaign in self._months and self._acquired.get(campaign) != acquisition:
            self.schedule.mark(CohortKey(campaign, ALL), sequence)

    def publish_acquired(self, campaign: str, acquisition: Acquisition) -> None:
        """A record of all cohorts together says this."""
        self._acquired[campaign] = acquisition

    def has(self, campaign: str) -> bool:
        """Whether any cohort of a campaign is kept."""
        return campaign in self._months

    def offer_all(self, sequence: int) -> None:
        """Publish all cohorts together of every campaign."""
        for campaign in self._months:
            self.schedule.mark(CohortKey(campaign, ALL), sequence)

    def show_all(self) -> None:
        """Let the next checkpoints give views every cohort once more; nothing of it is published."""
        for campaign, months in self._months.items():
            self._shown.update(
                (CohortKey(campaign, month), None) for month in (ALL, *months) if month != NO_CUSTOMER
            )

    @property
    def are_shown(self) -> bool:
        """Whether views have been given every cohort that they are to have."""
        return not self._shown

    def take_due(self, now: int, most: int) -> tuple[list[CohortKey], list[CohortKey]]:
        """Cohorts whose records are to be published, and those whose records are for views alone.

        Args:
            now: epoch milliseconds.
            most: of so many cohorts they are made together, about.
        """
        due = self.schedule.take(now, most=most, weight_of=self.weight_of)
        for key in due:
            self._shown.pop(key, None)  # what is published reaches views anyway
        shown, weight = [], sum(map(self.weight_of, due))
        for key in self._shown:
            if weight >= most:
                break
            shown.append(key)
            weight += self.weight_of(key)
        for key in shown:
            del self._shown[key]
        return due, shown

    def weight_of(self, key: CohortKey) -> int:
        """How many cohorts a record is made of."""
        return len(self._months.get(key.campaign, ())) if key.month == ALL else 1

    def of(self, key: CohortKey) -> dict[int, CohortSums]:
        """The sums of a cohort, or of every cohort of its campaign, by month."""
        months = self._months.get(key.campaign, set()) if key.month == ALL else {key.month}
        found = {month: added_up(self._parts(CohortKey(key.campaign, month)).values()) for month in months}
        return {month: found[month] for month in sorted(found) if found[month]}

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the sums; what may not have gone out waits again."""
        for key, value in entries:
            _, campaign, month = read_key(key)
            cohort = CohortKey(campaign, month)
            self._packed[cohort] = value
            self._months.setdefault(campaign, set()).add(month)
            sequence = _decode_parts(value)[0]
            if sequence > confirmed:
                self._mark(cohort, sequence)
        return ()

    def take_changes(self, sequence: int) -> Iterator[Entry]:
        """Sums that have changed, and tombstones of those that are forgotten."""
        found: list[tuple[CohortKey, bytes | None]] = [(key, None) for key in self._expired]
        for key, parts in self._open.items():
            packed = self._packed[key] = encode((sequence, parts))
            found.append((key, packed))
        self._open, self._expired, self._weight = {}, [], 0
        for key, value in found:
            if split_campaign_model(key.campaign)[1] is None:
                yield state_key(self.kind, *key), value
            else:
                self._of_models.append((state_key(self.model_kind, *key), value))

    def take_model_changes(self) -> list[Entry]:
        """Of the last changes those in models."""
        taken, self._of_models = self._of_models, []
        return taken

    def _parts(self, key: CohortKey) -> _Parts:
        found = self._open.get(key)
        if found is not None:
            return found
        packed = self._packed.get(key)
        return {} if packed is None else _decode_parts(packed)[1]

    def _mark(self, key: CohortKey, sequence: int) -> None:
        for each in published_of(key):
            self.schedule.mark(each, sequence)

    def _expire(self, before: int) -> None:
        for key in [key for key in self._packed if key not in self._open]:
            latest = max(
                [key.month, self._calendar.first, *(sums.latest for sums in self._parts(key).values())]
            )
            if self._calendar.start(latest + 1) <= before:
                del self._packed[key]
                self._expired.append(key)
                self.schedule.forget(key)
                # Views hear that nobody is left in it.
                self._shown.update(dict.fromkeys(published_of(key)))
                months = self._months[key.campaign]
                months.discard(key.month)
                if not months:
                    del self._months[key.campaign]
                    self.schedule.forget(CohortKey(key.campaign, ALL))
                    self._acquired.pop(key.campaign, None)
                    self._unlooked.pop(key.campaign, None)


def published_of(key: CohortKey) -> tuple[CohortKey, ...]:
    """The cohorts of whose records a cohort is part; what no customer is known of is part of all together alone."""
    everything = CohortKey(key.campaign, ALL)
    return (everything,) if key.month == NO_CUSTOMER else (key, everything)
