"""Carries out effects one after the other, each written down before the platform hears of it. Knows no Kafka and no SDK.

Whoever is killed anywhere goes on from what was written: a part that stands as ``sent`` may have been done, and is settled by reading back.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from metrics.budget.effects import machine
from metrics.budget.effects.caps import Caps, free_at
from metrics.budget.effects.daily import daily_share
from metrics.budget.effects.effect_index import (
    EffectIndex,
    PartPlace,
    is_exempt,
    requested,
    superseded,
    with_part,
)
from metrics.budget.effects.machine import Answer, NotTaken, Patience, RefusedThere, millis
from metrics.budget.effects.records import BudgetEffect, EffectPart, PlatformState
from metrics.budget.effects.rounding import rounded_down
from metrics.budget.records import BudgetAction
from metrics.records.events import Platform
from metrics.values.time import MINUTE, format_instant
from streams.apply.platform import CampaignFound, PlatformClient, Target

#: How often a campaign that stands as wished is looked at for what people change there.
WATCH_EVERY = 15 * MINUTE


class Registered(NamedTuple):
    """Where a campaign is on the platforms, as its registry record says."""

    platform: Platform
    target: Target


class Surroundings(Protocol):
    """What the carrier asks of the world; time and chance included."""

    def now(self) -> int:
        """Epoch ms."""

    def chance(self) -> float:
        """Between 0 and 1."""

    def registered(self, campaign_id: str) -> Registered | None:
        """Where a campaign is; None where its registry record does not say."""

    def flight_end(self, campaign_id: str) -> int | None:
        """Epoch ms at which a campaign ends; None where its registry record does not say."""

    def platform(self, name: Platform) -> PlatformClient | None:
        """A platform; None where nothing is set up for it."""

    def rate_parts(self, currency: str, at: int) -> int | None:
        """Worth of a currency in the reporting one, as ``ExchangeRates.parts``."""

    async def keep(self, effects: Iterable[BudgetEffect]) -> None:
        """Write effects down; returns when the broker has confirmed them, and raises when another process writes instead."""

    async def call(self, function: Callable[[], object]) -> object:
        """Run a blocking call of an SDK."""


class Carrier:
    """Effects of all campaigns, and what is to be done next."""

    def __init__(
        self,
        surroundings: Surroundings,
        caps: Caps,
        patience: Patience,
        effects: Iterable[BudgetEffect] = (),
        *,
        watch_every: int = WATCH_EVERY,
    ) -> None:
        """Nothing is done before ``go_on``.

        Args:
            surroundings: the world.
            caps: of writes.
            patience: how long things may take.
            effects: as they were kept.
            watch_every: ms between two looks at a campaign that stands as wished.
        """
        self._world = surroundings
        self._caps = caps
        self._patience = patience
        self._watch_every = watch_every
        self.index = EffectIndex()
        #: When a campaign is looked at again for drift.
        self._watch_at: dict[str, int] = {}
        for effect in effects:
            self.index.put(effect)

    async def take(self, actions: Iterable[tuple[BudgetAction, int]]) -> int:
        """Take in actions with their offsets; those that are known already are passed over. How many were new."""
        now = self._world.now()
        new = {
            effect.action_id: effect
            for action, position in actions
            if action.action_id not in self.index and (effect := requested(action, position, now)) is not None
        }
        await self._keep(new.values())
        set_aside: list[BudgetEffect] = []
        for campaign_id in {effect.campaign_id for effect in new.values()}:
            set_aside += self._set_aside(campaign_id)
        await self._keep(set_aside)
        return len(new)

    async def go_on(self) -> int:
        """One step of every campaign that has one to do; how many had."""
        done = 0
        for campaign_id in list(self.index.open):
            done += await self._step(campaign_id)
        for campaign_id in list(self.index.watched):
            if campaign_id not in self.index.open:
                done += await self._watch(campaign_id)
        return done

    def _set_aside(self, campaign_id: str) -> list[BudgetEffect]:
        """The effects of a campaign without parts that a later action replaces, and those that have waited too long."""
        now = self._world.now()
        changed: dict[str, BudgetEffect] = {}

        def change(place: PartPlace, part: EffectPart) -> None:
            effect = changed.get(place.action_id, self.index.effects[place.action_id])
            changed[place.action_id] = with_part(effect, place.number, part, now)

        replaced = self.index.superseded(campaign_id)
        for place in replaced:
            change(place, superseded(self.index.part(place), now))
        for effect in self.index.of(campaign_id):
            if now - millis(effect.decided_at) <= self._patience.max_age:
                continue
            for number, part in enumerate(effect.parts):
                place = PartPlace(effect.action_id, number)
                if part.stage == "requested" and place not in replaced:
                    why = (
                        f"it could not be done in time ({part.detail})"
                        if part.detail
                        else "the action is too old"
                    )
                    change(place, machine.settled(part, "refused", "too_old", why, now))
        return list(changed.values())

    async def _step(self, campaign_id: str) -> bool:
        await self._keep(self._set_aside(campaign_id))
        place = self.index.next_of(campaign_id)
        if place is None:
            return True
        part = self.index.part(place)
        if part.retry_at is not None and millis(part.retry_at) > self._world.now():
            return False
        part = await self._located(place)
        if part.stage not in {"requested", "sent"}:
            return True
        found = await self._read(place)
        if not isinstance(found, PlatformState):
            await self._change(place, self._unread(part, found))
            return True
        part = self._amount(place, part, found)
        if part.stage in {"requested", "sent"}:
            owns = self.index.owns_pause(campaign_id)
            part = machine.judged(
                part, found, self._world.now(), self._patience, self._world.chance(), owns_pause=owns
            )
        if part.stage == "requested" and part.retry_at is None:
            part = await self._send(place, part)
        await self._change(place, part)
        return True

    async def _located(self, place: PartPlace) -> EffectPart:
        """A part of an effect that names its platform; refused where nothing says it."""
        effect, part = self.index.effects[place.action_id], self.index.part(place)
        if effect.platform is None:
            where = self._world.registered(effect.campaign_id)
            if where is None:
                why = "the campaign's registry record names no platform, account and campaign there"
                return await self._change(
                    place, machine.settled(part, "refused", "no_platform", why, self._world.now())
                )
            named = replace(
                effect,
                platform=where.platform,
                platform_account_id=where.target.account_id,
                platform_campaign_id=where.target.campaign_id,
            )
            self.index.put(named)
            effect = named
        assert effect.platform is not None, "named above"
        if self._world.platform(effect.platform) is None:
            why = f"nothing is set up here for {effect.platform}"
            return await self._change(
                place,
                machine.postponed(part, NotTaken("not_set_up", why), self._world.now(), self._patience, 1.0)
                if part.stage == "sent"
                else machine.settled(part, "refused", "not_set_up", why, self._world.now()),
            )
        return part

    def _reached(self, place: PartPlace) -> tuple[PlatformClient, Target]:
        effect = self.index.effects[place.action_id]
        assert effect.platform is not None, "located"
        assert effect.platform_account_id is not None, "located"
        assert effect.platform_campaign_id is not None, "located"
        platform = self._world.platform(effect.platform)
        assert platform is not None, "located"
        return platform, Target(effect.platform_account_id, effect.platform_campaign_id)

    async def _read(self, place: PartPlace) -> PlatformState | NotTaken | RefusedThere:
        platform, target = self._reached(place)
        found = await self._world.call(lambda: platform.read(target))
        if not isinstance(found, CampaignFound):
            assert isinstance(found, NotTaken | RefusedThere), "as the protocol says"
            return found
        return PlatformState(
            status=found.status,
            budget_micros=found.budget_micros,
            is_daily=found.is_daily,
            currency=found.currency,
            version=found.version,
            seen_at=format_instant(self._world.now()),
        )

    def _unread(self, part: EffectPart, failure: NotTaken | RefusedThere) -> EffectPart:
        """A part whose campaign could not be read; what was sent is not settled by that."""
        now = self._world.now()
        if isinstance(failure, RefusedThere) and part.stage == "requested":
            return machine.settled(part, "refused", failure.because, failure.detail, now)
        later = failure if isinstance(failure, NotTaken) else NotTaken(failure.because, failure.detail)
        return machine.postponed(part, later, now, self._patience, self._world.chance())

    def _amount(self, place: PartPlace, part: EffectPart, found: PlatformState) -> EffectPart:
        """A budget in the account's currency and the platform's steps, of the kind that the campaign has there; refused where that is not known or nothing."""
        if part.wished_micros is None or found.budget_micros is None:
            return part
        # What was asked for stays; what waits follows a campaign whose budget became one of the other kind.
        if part.amount_micros is not None and (part.stage == "sent" or part.is_daily == found.is_daily):
            return part
        now = self._world.now()
        platform, _ = self._reached(place)
        parts = None if found.currency is None else self._world.rate_parts(found.currency, now)
        if found.currency is None or parts is None:
            why = (
                f"no rate from {found.currency or 'the unknown currency of the account'}; add one to fx-rates"
            )
            return machine.settled(replace(part, seen=found), "refused", "currency", why, now)
        wished = self._daily(place, part) if found.is_daily else part.wished_micros
        if isinstance(wished, str):
            return machine.settled(replace(part, seen=found), "refused", "no_flight", wished, now)
        rounded = rounded_down(wished, platform.step(found.currency), parts)
        if rounded.micros <= 0:
            return machine.settled(
                replace(part, seen=found), "refused", "too_small", "rounded down, nothing is left", now
            )
        return replace(
            part,
            amount_micros=rounded.micros,
            rounded_off_micros=rounded.rounded_off,
            is_daily=found.is_daily,
        )

    def _daily(self, place: PartPlace, part: EffectPart) -> int | str:
        """What a day may cost, in micros of the reporting currency; why that is not known."""
        effect = self.index.effects[place.action_id]
        decided, end = millis(effect.decided_at), self._world.flight_end(effect.campaign_id)
        if part.spent_micros is None:
            return "the campaign has a daily budget there, and the action does not say what is spent"
        if end is None:
            return "the campaign has a daily budget there, and its registry record does not say when it ends"
        if end <= decided:
            return "the campaign has a daily budget there, and has ended by its registry record"
        assert part.wished_micros is not None, "a budget"
        return daily_share(part.wished_micros, part.spent_micros, decided, end)

    async def _send(self, place: PartPlace, part: EffectPart) -> EffectPart:
        """Ask the platform, once the broker has that it will be asked."""
        now = self._world.now()
        if not is_exempt(self.index.effects[place.action_id], part):
            free = free_at(self._caps, self.index.sent_times(), now)
            if free > now:
                why = f"at most {self._caps.per_hour} writes an hour and {self._caps.per_day} a day"
                return replace(part, because="cap", detail=why, retry_at=format_instant(free))
        part = await self._change(place, machine.sending(part, now))
        answer = await self._world.call(lambda: self._ask(place, part))
        assert isinstance(answer, Answer), "as the protocol says"
        return machine.answered(part, answer, self._world.now(), self._patience, self._world.chance())

    def _ask(self, place: PartPlace, part: EffectPart) -> Answer:
        # A process that stood still may have been replaced by another, which has settled the request as one that never left.
        if self._world.now() - millis(part.sent_at[-1]) > self._patience.send_within:
            return NotTaken("unreachable", "this process stood still before it asked, so it did not ask")
        platform, target = self._reached(place)
        if part.status is not None:
            return platform.set_status(target, part.status)
        assert part.amount_micros is not None, "a budget"
        assert part.seen is not None, "read before"
        assert part.seen.currency is not None, "read before"
        return platform.set_budget(target, part.amount_micros, part.seen.currency)

    async def _watch(self, campaign_id: str) -> bool:
        """Look whether somebody changed there what was set."""
        places = self.index.watched_of(campaign_id)
        now = self._world.now()
        if not places or now < self._watch_at.setdefault(campaign_id, now + self._watch_every):
            return False
        self._watch_at[campaign_id] = now + self._watch_every
        for place in places:
            name = self.index.effects[place.action_id].platform
            assert name is not None, "confirmed there"
            if self._world.platform(name) is None:
                continue
            found = await self._read(place)
            if isinstance(found, PlatformState):
                await self._change(place, machine.watched(self.index.part(place), found, now))
        return True

    async def _change(self, place: PartPlace, part: EffectPart) -> EffectPart:
        """Keep a part that changed; the part."""
        effect = self.index.effects[place.action_id]
        if part != effect.parts[place.number]:
            await self._keep([with_part(effect, place.number, part, self._world.now())])
        return part

    async def _keep(self, effects: Iterable[BudgetEffect]) -> None:
        changed = list(effects)
        if changed:
            await self._world.keep(changed)
        for effect in changed:
            self.index.put(effect)
