"""The whole pipeline in memory: both stages of every partition, logs that are lists, crashes anywhere.

The real stages run; only the broker is played. A checkpoint is an append to the stage's changelog, then its
outputs one by one, then the confirmation. A crash cuts that sequence at any point; what a dead owner had
still in flight may arrive late. Recovery is that of a task: restore, take over, write.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from metrics.attribution.models import AttributionRules
from metrics.entities.campaigns import CampaignRegistry
from metrics.kpis.rollups import DIMENSIONS
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.kpi_reading import Dimension
from metrics.records.partition_keys import KeyRule
from metrics.sums.applied_figures import AppliedFigures
from metrics.values.errors import Rejection
from metrics.values.hashing import partitions_of
from streams import topics
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.stages.merge.stage import MergeOptions, MergeStage, MergeViews, Pace
from streams.state.checkpoint import Checkpoint, Output, Sink
from streams.state.store import StateStore

INTAKE, MERGE = "intake", "merge"
#: Where a crash cuts a checkpoint: before its append, before the output of that number, before it is confirmed.
BEFORE_APPEND = -1
BEFORE_CONFIRM = 1 << 30


class Record(NamedTuple):
    """A record of a log, as the transport hands it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Log(list[Record]):
    """A topic partition."""

    def write(self, value: bytes | None, timestamp: int = 0, key: bytes | None = None) -> None:
        self.append(Record(len(self), timestamp, key, value))


class Views:
    """What views show: the latest readings by campaign, of all models, and records of cohorts of customers."""

    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}
        #: By campaign and cohort, and the same of each attribution model.
        self.customers: dict[tuple[str, str], CustomerKpi] = {}
        self.customers_in: dict[str, dict[tuple[str, str], CustomerKpi]] = {"declared": self.customers}

    def confirmed(self, checkpoint: Checkpoint) -> None:
        if isinstance(checkpoint.views, MergeViews):
            for reading in checkpoint.views.readings:
                if reading.model == "declared":
                    self.declared.setdefault(reading.campaign_id, {})[reading.window] = reading
            for record in checkpoint.views.customers:
                shown = self.customers_in.setdefault(record.model, {})
                shown[record.campaign_id, record.cohort] = record

    def released(self, partitions: Iterable[int]) -> None:
        del partitions


class Machine:
    """N partitions of both stages and every log between them."""

    def __init__(
        self,
        partitions: int = 2,
        campaign_registry: CampaignRegistry | None = None,
        *,
        now: int = 1_795_000_000_000,
        grace: int = 60_000,
        publish_interval: int = 1_000,
        max_publish_rate: int = 5_000,
        zone: str = "UTC",
        models: tuple[str, ...] = ("linear", "last_touch"),
        rollups: tuple[Dimension, ...] = DIMENSIONS,
        max_rollup_values: int = 50,
        trusts_keys: bool = True,
        customer_models: tuple[str, ...] = (),
        **intake: Any,
    ) -> None:
        self.partitions = partitions
        self.campaign_registry = campaign_registry or CampaignRegistry("EUR")
        self.now = now
        limits = {
            "max_future": 300_000,
            "dedupe_window": 86_400_000,
            "dedupe_max_events": 1_000_000,
            "order_retention": 400 * 86_400_000,
            "customer_retention": 400 * 86_400_000,
            "zone": ZoneInfo(zone),
        }
        rule = KeyRule(partitions if models else 0, trusts_keys)
        self.intake_options = IntakeOptions(
            partitions,
            **{**limits, **intake},
            rules=msgspec.structs.replace(self.rules_of(models), customer_models=customer_models),
            key_rule=rule,
        )
        self.pace = Pace.of(max_publish_rate)
        self.merge_options = MergeOptions(
            *(partitions, grace, publish_interval, ZoneInfo(zone), "EUR", models, rollups, max_rollup_values),
            customer_retention=self.intake_options.customer_retention,
            customer_cohorts=self.intake_options.customer_cohorts,
            customer_models=customer_models,
        )
        self.sources = {(topic, p): Log() for topic in topics.INTAKE_INPUTS for p in range(partitions)}
        self.partials = [Log() for _ in range(partitions)]
        self.changelogs: dict[tuple[str, int], dict[bytes, bytes | None]] = {}
        self.kpis: list[dict[str, Any]] = []
        #: Readings of the attribution models.
        self.credited: list[dict[str, Any]] = []
        #: Readings of the roll-ups.
        self.rolled_up: list[dict[str, Any]] = []
        #: Records of the customers of campaigns.
        self.customers: list[dict[str, Any]] = []
        self.letters: list[dict[str, Any]] = []
        self.in_flight: list[Output] = []
        self.stages: dict[tuple[str, int], Any] = {}
        #: They hear what is confirmed.
        self.sinks: list[Sink] = []
        #: Declared readings that views were given last, by campaign and window.
        self.views = Views()
        self.sinks.append(self.views)
        for p in range(partitions):
            self.open(INTAKE, p)
            self.open(MERGE, p)

    @staticmethod
    def rules_of(models: tuple[str, ...]) -> AttributionRules:
        """Rules of a test: a lookback that is longer than all it writes."""
        return AttributionRules(models)

    # --- sources -----------------------------------------------------------------------------------

    def produce(self, topic: str, key: str | bytes, value: Any, timestamp: int | None = None) -> None:
        """Write a record to the partition of its key."""
        written = key.encode() if isinstance(key, str) else key
        self.produce_to(int(partitions_of([written], self.partitions)[0]), topic, key, value, timestamp)

    def produce_to(
        self, p: int, topic: str, key: str | bytes | None, value: Any, timestamp: int | None = None
    ) -> None:
        """Write a record to a partition, whatever its key says."""
        raw = value if isinstance(value, bytes) or value is None else msgspec.json.encode(value)
        written = key.encode() if isinstance(key, str) else key
        self.sources[topic, p].write(raw, self.now if timestamp is None else timestamp, written)

    # --- steps -------------------------------------------------------------------------------------

    def intake(self, p: int) -> IntakeStage:
        return self.stages[INTAKE, p].stage

    def merge(self, p: int) -> MergeStage:
        return self.stages[MERGE, p].stage

    def read(self, topic: str, p: int, count: int) -> None:
        """Let intake process the next records of a source."""
        at = self.intake(p).offsets.get(topic, 0)
        self.intake(p).process(topic, self.sources[topic, p][at : at + count], self.now)

    def follow(self, p: int, count: int) -> None:
        """Let merge process the next bundles; one that it has is delivered again."""
        at = self.merge(p).offset
        self.merge(p).process(self.partials[p][max(0, at - 1) : at + count])

    def checkpoint(self, stage: str, p: int, crash: int | None = None) -> None:
        """Write a checkpoint; ``crash`` says where its owner dies, and its successor takes over."""
        log = self.stages[stage, p]
        made = log.checkpoint(self.now)
        if crash == BEFORE_APPEND:
            self.open(stage, p)
            return
        self.changelogs.setdefault((stage, p), {}).update(made.entries)
        sent = made.outputs if crash is None else made.outputs[:crash]
        for output in sent:
            self._deliver(output)
        if crash is None:
            log.confirm(made.sequence)
            for sink in self.sinks:
                sink.confirmed(made)
            return
        self.in_flight += made.outputs[crash:]
        self.open(stage, p)

    def open(self, stage: str, p: int, crash: int | None = None) -> None:
        """Recover a stage from its changelog; a ``crash`` cuts the checkpoint that claims it."""
        log: Any
        if stage == INTAKE:
            log = StateStore(IntakeStage(p, self.intake_options, self.campaign_registry), self.now)
        else:
            log = StateStore(MergeStage(p, self.merge_options, self.campaign_registry, self.pace), self.now)
        log.restore(list(self.changelogs.get((stage, p), {}).items()))
        log.take_over()
        self.stages[stage, p] = log
        self.checkpoint(stage, p, crash)

    def deliver_late(self) -> None:
        """What dead owners had in flight arrives after all."""
        in_flight, self.in_flight = self.in_flight, []
        for output in in_flight:
            self._deliver(output)

    def be_idle(self, is_silent: Callable[[str, int], bool]) -> None:
        """Tell every intake which of its topics are silent."""
        for p in range(self.partitions):
            self.intake(p).set_idle({topic for topic in topics.DATED_SOURCES if is_silent(topic, p)})

    def run(self, *, slice_size: int = 1_000) -> None:
        """Read everything there is in even steps, with a checkpoint of everything after each step."""
        while self._is_behind():
            for topic, p in self.sources:
                self.read(topic, p, slice_size)
            self.tick()

    def tick(self, millis: int = 1_000) -> None:
        """Time passes, every stage writes what it has, bundles are followed."""
        self.now += millis
        for stage in (INTAKE, MERGE):
            for p in range(self.partitions):
                if stage == MERGE:
                    self.follow(p, 1_000_000)
                else:
                    self.read(topics.REKEYED, p, 1_000_000)
                if self.stages[stage, p].is_dirty:
                    self.checkpoint(stage, p)

    def settle(self) -> None:
        """Read everything, fall silent, and write until nothing waits."""
        self.run()
        self.be_idle(lambda _topic, _p: True)
        for _ in range(10_000):
            unread = self._is_behind() or any(
                self.merge(p).offset < len(log) for p, log in enumerate(self.partials)
            )
            if not unread and not any(log.is_dirty for log in self.stages.values()):
                return
            self.tick()
        raise AssertionError("the pipeline never comes to rest")

    # --- what came out -----------------------------------------------------------------------------

    def last(self, model: str = "declared") -> dict[tuple[str, str, str | None], dict[str, Any]]:
        """The reading of a model with the highest revision of each campaign, window and start."""
        readings = self.kpis if model == "declared" else self.credited
        return _last(reading for reading in readings if reading["model"] == model)

    def last_sums(self) -> dict[tuple[str, str, str | None], dict[str, Any]]:
        """The last declared sums of each window that are not all zero; unknown cost figures count as zero."""
        return _sums(self.last())

    def last_credits(self, model: str) -> dict[tuple[str, str, str | None], dict[str, Any]]:
        """The last sums of each window in a model that are not all zero."""
        return _sums(self.last(model))

    def check_books(self) -> None:
        """The ledger adds up on every partition, and every refused record is in dead-letters."""
        dead = {(letter["topic"], letter["partition"], letter["offset"]) for letter in self.letters}
        for p in range(self.partitions):
            for topic, counts in self.intake(p).ledger.items():
                assert counts.read == len(self.sources[topic, p])
                refused = {one for one in dead if one[:2] == (topic, p)}
                assert counts.rejected + counts.too_late + counts.conflict == len(refused)
        self.check_figures()

    def check_figures(self) -> None:
        """Published totals count back to the ledger: every applied click is in one, with its cost, and every order."""
        applied = AppliedFigures()
        for p in range(self.partitions):
            applied = applied.plus(self.intake(p).figures)
            ledger = self.intake(p).ledger
            assert self.intake(p).figures.clicks == ledger[topics.CLICKS].applied
            assert self.intake(p).figures.impressions == ledger[topics.IMPRESSIONS].applied
        published = AppliedFigures()
        for (_, window, _), reading in self.last().items():
            if window == "total":
                sums = reading["sums"] if reading["sums"]["clicks"] is not None else {}
                basis = reading["other_basis"] if self._is_reported(reading["campaign_id"]) else sums
                events = (basis[name] or 0 for name in ("impressions", "clicks"))
                published = published.plus(
                    AppliedFigures(*events, reading["sums"]["orders"], basis["spend_micros"] or 0)
                )
        if any(self.intake(p).foreign_spend.slots for p in range(self.partitions)):
            # What costs in other currencies are worth follows their rates; an oracle holds it.
            published, applied = (each._replace(spend_micros=0) for each in (published, applied))
        assert published == applied

    def _is_reported(self, campaign: str) -> bool:
        return self.campaign_registry.facts(campaign).is_reported

    def _is_behind(self) -> bool:
        return any(
            self.intake(p).offsets.get(topic, 0) < len(log) for (topic, p), log in self.sources.items()
        )

    def _deliver(self, output: Output) -> None:
        if output.topic == topics.PARTIALS:
            self.partials[output.partition].write(output.value, self.now, output.key)
        elif output.topic == topics.REKEYED:
            self.sources[output.topic, output.partition].write(output.value, self.now, output.key)
        elif output.topic == topics.ROLLUP_KPIS:
            self.rolled_up.append(msgspec.json.decode(output.value))
        elif output.topic == topics.CUSTOMER_KPIS:
            self.customers.append(msgspec.json.decode(output.value))
        else:
            record = msgspec.json.decode(output.value)
            into = self.kpis if output.topic == topics.CAMPAIGN_KPIS else self.letters
            (into if record.get("model", "declared") == "declared" else self.credited).append(record)


def key_of(reading: dict[str, Any]) -> tuple[str, str, str | None]:
    """What a reading is about."""
    return reading["campaign_id"], reading["window"], reading["window_start"]


def _last(readings: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    found: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    for reading in readings:
        key = key_of(reading)
        if key not in found or reading["revision"] > found[key]["revision"]:
            found[key] = reading
    return found


def _sums(readings: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    sums = {key: {n: v or 0 for n, v in reading["sums"].items()} for key, reading in readings.items()}
    return {key: each for key, each in sums.items() if any(each.values())}


def rejection_of(call: Callable[[], Any]) -> Rejection | None:
    """The rejection a call ends with, if any."""
    try:
        call()
    except Rejection as rejection:
        return rejection
    return None
