"""What journeys need of records that came on another partition than their visitor's, on its way there.

The partition that a record came on counts it and keeps its entry; the visitor's partition, its home, credits it. So what
is sent of a conversion is its whole value as the entry has it, and of touches each one. Free of I/O: a checkpoint takes
what has gathered and sends it with itself.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from metrics.attribution.conversion_credit import Conversion, ConversionPart
from metrics.attribution.conversion_lag import LEAD, ORDER
from metrics.attribution.touch_store import TouchColumns
from metrics.attribution.touchpoints import Codes, Touchpoints
from metrics.customers.accounts import AccountChange
from metrics.customers.calendar import is_period
from metrics.records.campaign_model import is_campaign_model, split_campaign_model
from metrics.records.events import NO_CAMPAIGN
from metrics.records.namespaces import PARTED
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.errors import UNREADABLE, Reason, Rejection
from metrics.values.time import MAX_INSTANT, MIN_INSTANT
from streams import topics
from streams.stages.intake.attribution.facts import ConversionUpdate, PersonIds, TouchBatch
from streams.stages.intake.attribution.journeys import Journeys
from streams.stages.intake.customer_homes import CustomerMail
from streams.state.announcement import Announcement
from streams.state.checkpoint import Output
from streams.state.codec import decoder, encode
from streams.state.keyed_table import KeyedTable
from streams.state.outbox import Outbox

#: After every event time.
EVER = 1 << 62
#: Touches of one message, some 20 bytes each, so that a message stays below a broker's default limit.
_TOUCHES_AT_ONCE = 16_000
_CONVERSIONS_AT_ONCE = 1_000
#: Behind the name of a conversion that another partition counts; a noncharacter, which Unicode keeps out of interchange.
_ELSEWHERE = "\uffff"


class Home(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The partition that credits a conversion.

    Attributes:
        partition: its number.
        is_named: whether a visitor says so; a key may be mistaken.
        latest: event time of the latest record.
        is_first: whether it is the first order of a customer, which no record of its own says.
    """

    partition: int
    is_named: bool
    latest: int
    is_first: bool = False


class RekeyedTouches(msgspec.Struct, array_like=True):
    """Touches as packed columns: uint64, int64, and int32 indexes into ``touchpoints``, campaigns with channels."""

    is_click: bool
    visitors: bytes
    at: bytes
    codes: bytes
    touchpoints: list[tuple[str, str]]


class RekeyedConversion(msgspec.Struct, array_like=True):
    """A conversion as its entry has it now; None is what has not changed. One that ``is_gone`` is credited elsewhere."""

    key: str
    named: tuple[PersonIds, ...] = ()
    seen_at: int = 0
    at: int | None = None
    parts: tuple[ConversionPart, ...] = ()
    is_first: bool | None = None
    is_gone: bool = False


class SourceProgress(NamedTuple):
    """How far a source partition has come; it closes the last message of a checkpoint, after all it vouches for.

    Attributes:
        watermark: its own.
        is_idle: whether all its topics are.
        clicks: stream time of its clicks, ``EVER`` where they are idle.
        least: the least stream time of the topics that are not idle, ``EVER`` where all are.
    """

    watermark: int | None
    is_idle: bool
    clicks: int | None
    least: int | None


class Rekeyed(msgspec.Struct, array_like=True):
    """A message from a source partition to a home; ``sequence`` and ``index`` grow, so that none is taken twice."""

    source: int
    sequence: int
    index: int
    touches: list[RekeyedTouches]
    conversions: list[RekeyedConversion]
    progress: SourceProgress | None = None
    customers: CustomerMail | None = None


decode_rekeyed = decoder(Rekeyed)
_MOST_CHECKPOINTS = 1 << 32
_MOST_MICROS = 1 << 100


def read_rekeyed(value: bytes | None, senders: Container[int]) -> Rekeyed:
    """The message in a record: one that can be taken in whole, as a worker's own always is.

    Args:
        value: of the record.
        senders: the partitions that messages come from.

    Raises:
        Rejection: ``invalid_field`` when it is none; one record must not end every worker at every start.
    """
    try:
        message = decode_rekeyed(value or b"")
        is_right = (
            message.source in senders
            and 0 <= message.sequence < _MOST_CHECKPOINTS
            and 0 <= message.index < _MOST_CHECKPOINTS
            and all(map(_are_right_touches, message.touches))
            and all(map(_is_right_conversion, message.conversions))
            and (message.progress is None or _is_right_progress(message.progress))
            and (message.customers is None or _is_right_mail(message.customers))
        )
        why = "it does not fit together"
    except (*UNREADABLE, ValueError, TypeError) as error:
        is_right, why = False, f"it cannot be read ({error})"
    if not is_right:
        raise Rejection(
            Reason.INVALID_FIELD,
            f"no message of a journey: {why}. Only workers may write to this topic; look who else does",
        )
    return message


def _are_right_touches(touches: RekeyedTouches) -> bool:
    count = len(touches.at) // 8
    if (len(touches.at), len(touches.visitors), len(touches.codes)) != (8 * count, 8 * count, 4 * count):
        return False
    at, codes = np.frombuffer(touches.at, np.int64), np.frombuffer(touches.codes, np.int32)
    return not count or bool(
        (at.min() >= MIN_INSTANT)
        and (at.max() <= MAX_INSTANT)
        and (codes.min() >= 0)
        and (codes.max() < len(touches.touchpoints))
    )


def _is_right_conversion(word: RekeyedConversion) -> bool:
    instants = [word.seen_at, *(() if word.at is None else (word.at,)), *(part.at for part in word.parts)]
    figures = [getattr(part.tally, name) for part in word.parts for name in Tally.__struct_fields__]
    hashes = [each for ids in word.named for each in (ids.visitor or 0, *ids.others)]
    return (
        word.key[:1] in (LEAD, ORDER)
        and _ELSEWHERE not in word.key.replace(PARTED, "")
        and all(MIN_INSTANT <= at <= MAX_INSTANT for at in instants)
        and all(-_MOST_MICROS <= each <= _MOST_MICROS for each in figures)
        and all(0 <= each < 1 << 64 for each in hashes)
    )


def _is_right_progress(progress: SourceProgress) -> bool:
    times = progress.watermark, progress.clicks, progress.least
    return all(at is None or MIN_INSTANT <= at <= MAX_INSTANT or at == EVER for at in times)


def _is_right_mail(mail: CustomerMail) -> bool:
    times = [each.at for each in mail.purchases] + [first.latest for _, first in mail.moved]
    return (
        all(MIN_INSTANT <= at <= MAX_INSTANT for at in times)
        and all(map(_is_right_change, mail.accounts))
        and all(key[:1] == ORDER and _are_campaigns(campaigns.values()) for key, campaigns in mail.greatest)
    )


def _are_campaigns(names: Iterable[str]) -> bool:
    return all(is_campaign_model(name) and split_campaign_model(name)[1] is None for name in names)


def _is_right_change(change: AccountChange) -> bool:
    orders = [each for each in (change.placed, change.greatest) if each is not None]
    instants = [change.latest, *(each.at for each in orders)]
    return (
        0 < change.customer < 1 << 64
        and (change.greatest is None or _are_campaigns(change.greatest.campaigns.values()))
        and all(MIN_INSTANT <= at <= MAX_INSTANT for at in instants)
        and all(is_period(each[0]) for each in (*change.months, *change.counts))
        and all(
            -_MOST_MICROS <= figure <= _MOST_MICROS
            for each in (*change.months, *change.counts)
            for figure in each
        )
    )


class Repartitioner:
    """What leaves one source partition, and which of its conversions are credited elsewhere.

    Args:
        partition: its number.
        journeys: those of the persons whose home it is.
    """

    def __init__(self, partition: int, journeys: Journeys) -> None:
        self._partition = partition
        self.journeys = journeys
        self.homes: KeyedTable[Home] = KeyedTable("h", Home)
        #: What has left, by kind, for whoever shows it.
        self.sent: Counter[str] = Counter()
        self._touchpoints = Touchpoints()
        self._touches: dict[bool, list[tuple[Codes, TouchColumns]]] = {True: [], False: []}
        self._conversions: dict[int, dict[str, RekeyedConversion]] = {}
        self._touch_count = 0

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes: once to be kept, once to be sent."""
        conversions = sum(map(len, self._conversions.values()))
        return 40 * self._touch_count + 300 * conversions

    def touch(self, batch: TouchBatch, homes: Codes, *, is_click: bool) -> None:
        """Touches of a slice: those of this partition are remembered here, the others leave.

        Args:
            batch: the touches.
            homes: the partition of each; -1 where the visitor is nobody or all stay.
            is_click: whether they are clicks.
        """
        away = np.flatnonzero((homes >= 0) & (homes != self._partition))
        if away.size:
            touchpoints = self._touchpoints.encode(
                batch.campaign_codes[away], batch.campaigns, batch.channel_codes[away], batch.channels
            )
            leaving = TouchColumns(batch.visitors[away], batch.at[away], touchpoints)
            self._touches[is_click].append((homes[away], leaving))
            self._touch_count += len(away)
            self.sent["touch"] += len(away)
            staying = batch.visitors.copy()
            staying[away] = 0
            batch = batch._replace(visitors=staying)
        self.journeys.touch(batch, is_click=is_click)

    def convert(self, update: ConversionUpdate, home: int | None) -> None:
        """A record of a conversion was applied: whoever is at home where it is credited hears of it.

        The first record that names a visitor decides where that is; until then a key may. What moves is still, or still not,
        the first order of its customer.

        Args:
            update: what the record says.
            home: the partition of its visitor, or of its key; None where there is neither.
        """
        names_visitor = update.named.visitor is not None
        known = self.homes.get(update.key)
        here = None if known is not None else self.journeys.known(update.key)
        if known is not None and (known.is_named or not names_visitor):
            target, is_named = known.partition, known.is_named
        elif here is not None and (not names_visitor or _has_visitor(here, update.named)):
            target, is_named = self._partition, False
        else:
            target, is_named = (self._partition if home is None else home), names_visitor
        if target == self._partition and known is None:
            self.journeys.convert(*update)
            return
        is_first = known.is_first if known is not None else here is not None and here.is_first
        is_moving = known is None or known.partition != target
        if known is not None and is_moving:
            self._send(known.partition, RekeyedConversion(update.key, is_gone=True))
        elif here is not None:
            self.journeys.withdraw(update.key)
        latest = update.seen_at if known is None else max(known.latest, update.seen_at)
        self.homes.put(update.key, Home(target, is_named, latest, is_first))
        if target == self._partition:
            self.journeys.convert(*update)
            if is_moving:
                self.journeys.mark_first(update.key, is_first=is_first)
        else:
            parts = tuple([ConversionPart(at, tally) for _, at, tally in update.counted])
            marked = is_first if is_moving and is_first else None
            word = RekeyedConversion(update.key, (update.named,), update.seen_at, update.at, parts, marked)
            self._send(target, word)

    def mark_first(self, key: str, *, is_first: bool) -> None:
        """An order became, or is no longer, the first of its customer."""
        known = self.homes.get(key)
        if known is not None:
            self.homes.put(key, msgspec.structs.replace(known, is_first=is_first))
        if known is None or known.partition == self._partition:
            self.journeys.mark_first(key, is_first=is_first)
        else:
            self._send(known.partition, RekeyedConversion(key, is_first=is_first))

    def is_home(self, partition: int, key: str) -> bool:
        """Whether a conversion that is counted here is credited on a partition now."""
        known = self.homes.get(key)
        return partition == (self._partition if known is None else known.partition)

    def receive(self, message: Rekeyed) -> None:
        """Take in what came from another partition."""
        for touches in message.touches:
            touchpoints = [self.journeys.touchpoints.code(*touchpoint) for touchpoint in touches.touchpoints]
            columns = TouchColumns(
                np.frombuffer(touches.visitors, np.uint64),
                np.frombuffer(touches.at, np.int64),
                np.array(touchpoints, np.int32)[np.frombuffer(touches.codes, np.int32)],
            )
            self.journeys.insert(columns, is_click=touches.is_click)
        for conversion in message.conversions:
            self._receive(f"{conversion.key}{_ELSEWHERE}{message.source}", conversion)

    def take(self, sequence: int) -> list[tuple[int, Rekeyed]]:
        """What has gathered since the last call, as messages with their target partitions."""
        made: list[tuple[int, Rekeyed]] = []
        for is_click in self._touches:
            for target, touches in self._take_touches(is_click=is_click):
                made.append((target, Rekeyed(self._partition, sequence, len(made), [touches], [])))
        for target, gathered in self._conversions.items():
            waiting = list(gathered.values())
            for first in range(0, len(waiting), _CONVERSIONS_AT_ONCE):
                some = waiting[first : first + _CONVERSIONS_AT_ONCE]
                made.append((target, Rekeyed(self._partition, sequence, len(made), [], some)))
        self._conversions = {}
        self._touch_count = 0
        self._touchpoints = Touchpoints()
        return made

    # --- inside ------------------------------------------------------------------------------------

    def _take_touches(self, *, is_click: bool) -> Iterator[tuple[int, RekeyedTouches]]:
        gathered, self._touches[is_click] = self._touches[is_click], []
        if not gathered:
            return
        homes = np.concatenate([each for each, _ in gathered])
        visitors, at, codes = map(np.concatenate, zip(*(columns for _, columns in gathered), strict=True))
        order = np.argsort(homes, kind="stable")
        targets, begins = np.unique(homes[order], return_index=True)
        for target, rows in zip(targets.tolist(), np.split(order, begins[1:]), strict=True):
            for first in range(0, len(rows), _TOUCHES_AT_ONCE):
                some = rows[first : first + _TOUCHES_AT_ONCE]
                met, own = np.unique(codes[some], return_inverse=True)
                yield (
                    target,
                    RekeyedTouches(
                        is_click,
                        visitors[some].tobytes(),
                        at[some].tobytes(),
                        own.astype(np.int32).tobytes(),
                        [self._touchpoints.names[code] for code in met.tolist()],
                    ),
                )

    def _send(self, target: int, word: RekeyedConversion) -> None:
        """Gather it; what was gathered of the same conversion before is part of it."""
        self.sent["conversion"] += 1
        gathered = self._conversions.setdefault(target, {})
        known = gathered.get(word.key)
        if known is None or word.is_gone:
            gathered[word.key] = word
        elif word.at is None:
            known.is_first = word.is_first
        else:
            named = known.named if word.named[0] in known.named else known.named + word.named
            is_first = known.is_first if word.is_first is None else word.is_first
            seen_at = max(known.seen_at, word.seen_at)
            gathered[word.key] = msgspec.structs.replace(
                word, named=named, is_first=is_first, seen_at=seen_at
            )

    def _receive(self, key: str, word: RekeyedConversion) -> None:
        if word.is_gone:
            self.journeys.withdraw(key)
            return
        if word.at is not None:
            counted = [Contribution(NO_CAMPAIGN, *part) for part in word.parts]
            for named in word.named:
                self.journeys.convert(key, word.at, named, counted, word.seen_at)
        if word.is_first is not None:
            self.journeys.mark_first(key, is_first=word.is_first)


def _has_visitor(conversion: Conversion, named: PersonIds) -> bool:
    """Whether a record of a conversion has named a visitor, besides ids that a record names anew; or its person was erased."""
    return conversion.kept is not None or not set(conversion.ids).issubset(named.others)


def counted_on(key: str) -> tuple[int | None, str]:
    """The partition that counts a conversion, None where it is the one that credits it; and the key under which it is kept there.

    >>> counted_on("o|1001"), counted_on(f"o|shop{PARTED}1001"), counted_on(f"o|shop{PARTED}1001{_ELSEWHERE}3")
    ((None, 'o|1001'), (None, 'o|shop\uffff\uffff1001'), (3, 'o|shop\uffff\uffff1001'))
    """
    plain, mark, partition = key.rpartition(_ELSEWHERE)
    return (None, key) if not mark or plain.endswith(_ELSEWHERE) else (int(partition), plain)


class RekeyedOutput:
    """Messages of one source partition to the homes of persons, and announcements of how far the partition has come.

    Messages stay in the outbox until they are confirmed, under their own sequence: a successor sends them again, and whoever
    has them passes them over.

    Args:
        take: gives the messages of a checkpoint, each with its target partition, by the sequence.
        partition: that sends.
        homes: the partitions that journeys meet on.
        interval: milliseconds between two announcements.
    """

    def __init__(
        self,
        take: Callable[[int], list[tuple[int, Rekeyed]]],
        partition: int,
        homes: Iterable[int],
        interval: int,
    ) -> None:
        self._take = take
        self._partition = partition
        self._homes = [home for home in homes if home != partition]
        self._progress = Announcement[SourceProgress](interval)
        self.outbox: Outbox[tuple[int, Rekeyed]] = Outbox("x", list[tuple[int, Rekeyed]])

    @property
    def is_waiting(self) -> bool:
        """Whether progress waits to be announced."""
        return self._progress.is_waiting

    def outputs(self, sequence: int, progress: SourceProgress, now: int) -> list[Output]:
        """The messages of one checkpoint, and the progress that closes them, where it is to be announced now."""
        sent = self.outbox.take(self._take(sequence))
        announced = self._progress.take(progress, now) if self._homes else None
        if announced is not None:
            last = len(sent)
            sent = sent + [
                (home, Rekeyed(self._partition, sequence, last, [], [], announced)) for home in self._homes
            ]
        source = encode(self._partition)
        return [Output(topics.REKEYED, home, source, encode(message)) for home, message in sent]
