"""Redis views of the readings (docs/contract.md, Redis): the newest value of each field, never in the caller's way.

Redis is a view: losing it loses nothing. Values wait in a dict in which a newer one replaces an older,
so a Redis that is slow or gone costs no more memory than one value per view and campaign.

Those of roll-ups are ``roistream:rollups:<dimension>:<model>:<window>``, on channel ``roistream:rollups``; those of customers
``roistream:customers:<model>:<cohort>``, on channel ``roistream:customers``, and stay where their campaign is archived.

Beside the keys of the contract it keeps ``roistream:revisions:<model>:<window>``, which holds the
version of each value as text, because Lua counts in doubles and revisions come near 2^53; and
``roistream:views``, a small hash without expiry that names the views and the generation of the data:
when the generation has changed, somebody emptied Redis. The same hash holds up to which checkpoint Redis was shown each
partition: a state that ends before it is of an older backup. It also names the deployment whose keys these are (``redis_names``).
A Redis Cluster is not supported.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from metrics.exposition.snapshot import RedisSnapshot
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.kpi_reading import CampaignKpi, RollupKpi
from metrics.values.errors import SettingError
from streams.sinks import redis_scripts
from streams.sinks.redis_names import OWNER, ForeignOwnerError, RedisNames
from streams.stages.merge.stage import MergeViews
from streams.state.checkpoint import Checkpoint, Version

#: Begins the first half of the view of a roll-up: ``rollups:<dimension>:<model>``.
_ROLLUPS = "rollups:"
#: Begins that of the view of a cohort of customers: ``customers:<model>``.
_CUSTOMERS = "customers:"
_SHOWN = "shown:"
_LOOKS_WITHIN_S = 3.0
#: Values per script call: about 300 KB, a few milliseconds in which Redis serves nobody else.
CHUNK = 200

_logger = logging.getLogger(__name__)

View = tuple[str, str]


class _Value(NamedTuple):
    """A reading that waits; its version becomes text only when it is written."""

    birth: int
    field: str
    reading: CampaignKpi | RollupKpi | CustomerKpi

    @property
    def version(self) -> str:
        return version(self.birth, self.reading.revision)

    def is_older_than(self, other: "_Value") -> bool:
        return (self.birth, self.reading.revision) < (other.birth, other.reading.revision)


def version(birth: int, revision: int) -> str:
    """Text that compares like (birth, revision).

    A state that was rebuilt is born later, so its small revisions win over the large ones before it.

    >>> version(1, 2**63) < version(2, 1)
    True
    """
    return f"{birth:020d}-{revision:020d}"


def shown_field(deployment: str, partition: int) -> str:
    """The field of ``roistream:views`` that says up to which version Redis was shown a merge partition."""
    return f"{_SHOWN}{deployment}:{partition}"


def shown_of(fields: Mapping[str, str], deployment: str, partition: int) -> tuple[int, int] | None:
    """Birth and revision up to which Redis was shown a merge partition, by the fields of ``roistream:views``; None: unknown."""
    text = fields.get(shown_field(deployment, partition))
    if text is None:
        return None
    birth, revision = text.split("-")
    return int(birth), int(revision)


class RedisViews:
    """Writes readings behind the caller's back; start, offer, stop.

    Attributes:
        is_up: whether the last exchange went well.
        last_error: what went wrong last, without secrets; None while up.
        refusal: why nothing is written, where the keys belong to another deployment; else None.
    """

    def __init__(
        self,
        url: str,
        ttl_ms: int,
        on_refill: Callable[[], None],
        *,
        names: RedisNames = RedisNames(),  # noqa: B008 - immutable
        poll_seconds: float = 2,
        back_off_seconds: tuple[float, float] = (0.1, 5),
    ) -> None:
        """Nothing is connected before ``start``.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``.
            ttl_ms: keys expire that long after the last write.
            on_refill: called on the event loop after each connect and when Redis was emptied; it
                offers every reading again.
            names: of the deployment, since several may share a Redis.
            poll_seconds: how often a silent Redis is looked at.
            back_off_seconds: first and longest pause between attempts.

        Raises:
            SettingError: when the URL is none.
        """
        self._client = client_of(url)
        self._secrets = _secrets(url, self._client)
        self._ttl_ms = ttl_ms
        self._on_refill = on_refill
        self._poll_seconds = poll_seconds
        self._back_off_seconds = back_off_seconds
        self._write = self._client.register_script(redis_scripts.WRITE)
        self._delete = self._client.register_script(redis_scripts.REMOVE)
        self._set_fields = self._client.register_script(redis_scripts.SET_FIELDS)
        self._encode = msgspec.json.Encoder().encode
        self._pending: dict[View, dict[str, _Value]] = {}
        self._archived: set[str] = set()
        #: Archived campaigns still to be removed from Redis, with the versions that were waiting.
        self._removals: dict[str, dict[View, str]] = {}
        self._generation: str | None = None
        self._names = names
        #: By field of ``roistream:views``, what is to be written, and what the last look has found.
        self._reached: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._looked = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._written = 0
        self._errors = 0
        self.is_up = False
        self.last_error: str | None = "not connected yet"
        self.refusal: str | None = None

    @property
    def health(self) -> RedisSnapshot:
        """Figures for the metrics page."""
        pending = sum(len(values) for values in self._pending.values())
        return RedisSnapshot(self.is_up, pending, self._written, self._errors)

    def confirmed(self, checkpoint: Checkpoint) -> None:
        """Take the readings of a checkpoint of merge."""
        views = checkpoint.views
        if isinstance(views, MergeViews):
            revision = Version(checkpoint.epoch, checkpoint.sequence).revision
            field = shown_field(self._names.prefix, checkpoint.partition)
            self._reached[field] = version(checkpoint.birth, revision)
            self.offer(views.readings, checkpoint.birth)
            self.offer_rollups(views.rollups, checkpoint.birth)
            self.offer_customers(views.customers, checkpoint.birth)

    def released(self, partitions: Iterable[int]) -> None:
        """Nothing: the next owner writes newer readings over these."""

    def offer(self, readings: Sequence[CampaignKpi], birth: int) -> None:
        """Take readings of rolling windows and ``total``; returns at once.

        Of one (model, window, campaign) the newest waits, the others are forgotten.

        Args:
            readings: whole values; they are not changed afterwards.
            birth: creation time of the state that counts their revisions.
        """
        for reading in readings:
            if reading.campaign_id not in self._archived:
                value = _Value(birth, reading.campaign_id, reading)
                self._wait_for_writing((reading.model, reading.window), value)
        self._wake.set()

    def offer_rollups(self, readings: Sequence[RollupKpi], birth: int) -> None:
        """The same of roll-ups; a field is the value of their dimension."""
        for reading in readings:
            view = f"{_ROLLUPS}{reading.dimension}:{reading.model}", reading.window
            self._wait_for_writing(view, _Value(birth, reading.value, reading))
        self._wake.set()

    def offer_customers(self, records: Sequence[CustomerKpi], birth: int) -> None:
        """The same of cohorts of customers; a field is the campaign, also one that is archived."""
        for record in records:
            view = f"{_CUSTOMERS}{record.model}", record.cohort
            self._wait_for_writing(view, _Value(birth, record.campaign_id, record))
        self._wake.set()

    def remove(self, campaign_id: str) -> None:
        """Take an archived campaign out of every view; offers of it are ignored until ``restore``."""
        self._archived.add(campaign_id)
        dropped = self._removals.setdefault(campaign_id, {})
        for view, values in self._pending.items():
            value = values.pop(campaign_id, None) if _is_of_readings(view) else None
            if value is not None:
                dropped[view] = value.version
        self._wake.set()

    def restore(self, campaign_id: str) -> None:
        """Accept offers of a campaign that is registered again; it shows from its next revision on."""
        self._archived.discard(campaign_id)

    async def start(self) -> None:
        """Begin to write; an absent Redis is no error."""
        self._task = asyncio.create_task(self._run(), name="redis-views")

    async def stop(self, deadline_seconds: float = 2) -> None:
        """Write what waits if Redis answers within the deadline, and disconnect."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=deadline_seconds)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._client.aclose()

    async def _run(self) -> None:
        pause, longest = self._back_off_seconds
        is_last = False
        while not is_last:
            is_last = self._stopping.is_set()
            try:
                await self._round()
            except Exception as error:  # noqa: BLE001 - whatever it is, a view must not end the worker
                self._failed(error)
                await _wait(self._stopping, pause)
                pause = min(2 * pause, longest)
            else:
                self._succeeded()
                pause = self._back_off_seconds[0]
                if not is_last:
                    await _wait(self._wake, self._poll_seconds)

    async def _round(self) -> None:
        """One exchange: look whether Redis was emptied, remove, write all that waits."""
        self._wake.clear()
        generation, views = await self._look()
        if generation != self._generation:
            self._on_refill()
            self._generation = generation
        await self._flush_removals(views)
        reached = dict(self._reached)
        for view in list(self._pending):
            await self._flush(view)
        if any(self._shown.get(field) != text for field, text in reached.items()):
            arguments: list[str | int] = [
                self._names.owner,
                0,
                *(text for each in reached.items() for text in each),
            ]
            self._check_taken(await self._set_fields(keys=[self._names.views] * 2, args=arguments))

    async def has_looked(self, within_s: float = _LOOKS_WITHIN_S) -> bool:
        """Whether Redis has been looked at, after waiting for it some seconds at most."""
        await _wait(self._looked, within_s)
        if not self._looked.is_set():
            _logger.warning(
                "Redis does not answer; whether it was shown more than the state knows is compared later."
            )
        return self._looked.is_set()

    def shown_up_to(self, partition: int) -> tuple[int, int] | None:
        """Birth and revision up to which Redis was shown a merge partition, by the last look; None: unknown."""
        return shown_of(self._shown, self._names.prefix, partition)

    async def _look(self) -> tuple[str, set[View]]:
        """Generation of the data in Redis, which is ours where it had none, and the views it names.

        Raises:
            ForeignOwnerError: when the keys belong to another deployment.
        """
        views = self._names.views
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.hsetnx(views, OWNER, self._names.owner)
            pipeline.hsetnx(views, "generation", uuid.uuid4().hex)
            pipeline.hgetall(views)
            *_, fields = await pipeline.execute()
        is_own = self._names.is_own(fields)
        if not is_own:
            self._shown = {}
            self._looked.set()
            self._names.check(fields[OWNER])
        names = (field.removeprefix("view:") for field in fields if field.startswith("view:"))
        self._shown = {field: text for field, text in fields.items() if field.startswith(_SHOWN)}
        self._looked.set()
        return fields["generation"], {_view(name) for name in names}

    async def _flush_removals(self, views: set[View]) -> None:
        removals, self._removals = self._removals, {}
        try:
            for view in views.union(*removals.values()) if removals else ():
                if not _is_of_readings(view):
                    continue
                arguments: list[str | int] = [self._names.owner, self._ttl_ms]
                for campaign_id, dropped in removals.items():
                    arguments += (campaign_id, dropped.get(view, ""))
                keys = [*self._keys(view), self._names.views]
                self._check_taken(await self._delete(keys=keys, args=arguments))
        except BaseException:
            self._removals = removals | self._removals
            raise

    async def _flush(self, view: View) -> None:
        values = self._pending.pop(view, {})
        try:
            while values:
                chunk = list(islice(values.values(), CHUNK))
                channel = self._channel(view)
                head = (self._names.owner, ":".join(view), self._ttl_ms, channel)
                arguments: list[str | int | bytes] = [*head, *self._triples(chunk)]
                keys = [*self._keys(view), self._names.views, self._names.views]
                written = await self._write(keys=keys, args=arguments)
                self._check_taken(written)
                self._written += written
                for value in chunk:
                    del values[value.field]
        except BaseException:
            self._take_back(view, values)
            raise

    def _keys(self, view: View) -> list[str]:
        """The hash of the values of a view, and that of their versions."""
        name = ":".join(view)
        values = self._names.readings(*view) if _is_of_readings(view) else self._names.name(name)
        return [values, self._names.name(f"revisions:{name}")]

    def _channel(self, view: View) -> str:
        if _is_of_readings(view):
            return self._names.kpis
        return self._names.rollups if view[0].startswith(_ROLLUPS) else self._names.customers

    def _check_taken(self, answer: int) -> None:
        """A script has refused, since another deployment has become the owner just now: the next look says which."""
        if answer < 0:
            raise ForeignOwnerError("The keys have gone to another deployment; nothing was written.")

    def _triples(self, chunk: list[_Value]) -> Iterator[str | bytes]:
        for value in chunk:
            yield value.field
            yield value.version
            yield self._encode(value.reading)

    def _take_back(self, view: View, values: dict[str, _Value]) -> None:
        """Values of a failed call wait again, unless a newer one or a removal came meanwhile."""
        for field, value in values.items():
            if not _is_of_readings(view) or field not in self._archived:
                self._wait_for_writing(view, value)

    def _wait_for_writing(self, view: View, value: _Value) -> None:
        values = self._pending.setdefault(view, {})
        held = values.get(value.field)
        if held is None or not value.is_older_than(held):
            values[value.field] = value

    def _succeeded(self) -> None:
        if not self.is_up:
            _logger.info("Redis views are written.")
        self.is_up, self.last_error, self.refusal = True, None, None

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._generation = None  # it may come back with older data: fill it again
        text = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if isinstance(error, ForeignOwnerError):
            if self.refusal != str(error):
                _logger.error("%s", error)
            self.is_up, self.last_error, self.refusal = False, str(error), str(error)
            return
        if self.is_up or self._errors == 1:
            _logger.warning(
                "Redis views are not written, nothing is lost; check ROISTREAM_REDIS_URL. %s", text
            )
        if not isinstance(error, (RedisError, OSError)):
            _logger.error("This is an error of roistream, please report it.", exc_info=error)
        self.is_up, self.last_error = False, text


def client_of(url: str) -> Redis:
    """A client that gives up soon: waiting and trying again is done here, in one place."""
    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=5,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError):
        raise SettingError(
            "ROISTREAM_REDIS_URL: this is no address of a Redis; write it like redis://:password@host:6379/0."
        ) from None  # the cause may quote the password


def _secrets(url: str, client: Redis) -> list[str]:
    """Texts that no message may hold, the longest first."""
    password = client.connection_pool.connection_kwargs.get("password")
    return [secret for secret in (url, password) if secret]


def _view(name: str) -> View:
    """Model and window of a view's name; windows hold no colon."""
    model, _, window = name.rpartition(":")
    return model, window


def _is_of_readings(view: View) -> bool:
    """Whether the fields of a view are readings of campaigns; no model is named like the others."""
    return not view[0].startswith((_ROLLUPS, _CUSTOMERS))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
