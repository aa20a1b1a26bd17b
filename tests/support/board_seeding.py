"""Fills Redis as the budget controller does, with campaigns of every kind; the same seed, the same board."""

import random
from decimal import Decimal
from typing import Any

import msgspec
import redis

from metrics.budget.records import (
    ActionHold,
    BoardCard,
    BudgetAction,
    CardHold,
    Column,
    ColumnView,
    Mode,
    SparkPoint,
)
from metrics.budget.rules import missed_reason
from metrics.records.kpi_reading import CampaignKpi, Evidence, OtherBasis, Sums
from metrics.values.time import HOUR, format_instant
from streams.sinks.redis_names import RedisNames

NOW_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
_PLACES: tuple[Column, ...] = (
    "backlog",
    "test",
    "test",
    "test",
    "scale",
    "scale",
    "hold",
    "stopped",
    "archived",
)
_SUBJECTS = (
    "Our brand",
    "Spring sale",
    "CRM webinar",
    "Free trial",
    "Price guide",
    "Case studies",
    "Winter offer",
)
_CHANNELS = ("search", "social", "display", "video", "newsletter")
MILLION = 1_000_000


class Store(redis.Redis):
    """A Redis, and the names that the deployment of a test uses there."""

    names = RedisNames()


def card(campaign_id: str, revision: int = 1, **fields: Any) -> BoardCard:
    """One plain card; keywords win."""
    values: dict[str, Any] = {
        "campaign_id": campaign_id,
        "name": f"Campaign {campaign_id}",
        "channel": "search",
        "status": "active",
        "column": "test",
        "revision": revision,
        "currency": "EUR",
        "budget_micros": 1_000 * MILLION,
        "spent_micros": 250 * MILLION,
        "card_micros": 100 * MILLION,
        "cards_done": 2,
        "cards_total": 10,
        "hold": None,
        "targets_micros": {"cpl": 4 * MILLION, "roas": 3 * MILLION},
        "evidence": {},
        "proposal": None,
        "kpis": {"24h": {"cpl": 4.2, "roas": 3.1, "roi_net_profit": 0.4}},
        "sparkline": [],
        "mode": "propose",
        "reason": "",
        "updated_at": format_instant(NOW_MS),
    }
    return BoardCard(**(values | fields))


def proposal(campaign_id: str, action_id: str = "a-1", mode: Mode = "propose") -> BudgetAction:
    """A pause that waits for approval."""
    return BudgetAction(
        action_id=action_id,
        campaign_id=campaign_id,
        verb="pause",
        column="hold",
        budget_from=Decimal(1000),
        budget_to=Decimal(1000),
        currency="EUR",
        mode=mode,
        rule="cpl",
        reason=missed_reason("cpl", 31.2, 20),
        evidence={"cpl": 9.8, "target": 4.0, "e_value": 31.2, "spend": 245.0},
        hold=ActionHold(owner="evidence", expires_at=format_instant(NOW_MS + 24 * HOUR)),
        decided_at=format_instant(NOW_MS),
    )


def evidence(verdict: str, target: str, value: float, rng: random.Random) -> Evidence:
    e_value = {"bad": rng.uniform(20, 90), "good": rng.uniform(0, 0.1), "inconclusive": rng.uniform(0.2, 6)}
    chance = {
        "bad": rng.uniform(0.97, 1),
        "good": rng.uniform(0, 0.05),
        "inconclusive": rng.uniform(0.2, 0.8),
    }
    return Evidence(
        target=target,
        verdict=verdict,
        e_value=e_value[verdict],
        probability_bad=chance[verdict],
        interval=(value * 0.7, None if verdict == "inconclusive" else value * 1.4),
        completeness=rng.uniform(0.7, 1),
    )


def varied(number: int, rng: random.Random) -> BoardCard:
    """A campaign as a board of a busy team shows it."""
    campaign_id, column = f"c-{number:03d}", rng.choice(_PLACES)
    verdict = rng.choice(("bad", "good", "inconclusive", "inconclusive"))
    cpl = {"bad": 9.0, "good": 2.5, "inconclusive": 4.0}[verdict] * rng.uniform(0.8, 1.2)
    roi = {"bad": -0.5, "good": 1.4, "inconclusive": 0.2}[verdict] + rng.uniform(-0.2, 0.2)
    total = rng.choice((5, 8, 10, 12))
    done = 0 if column == "backlog" else rng.randrange(total)
    hold = CardHold(
        owner="evidence",
        reason=missed_reason("cpl", 31.2, 20),
        expires_at=format_instant(NOW_MS + 6 * HOUR),
    )
    spark = [
        SparkPoint(
            t=format_instant(NOW_MS - (24 - hour) * HOUR),
            spend_micros=rng.randrange(5, 40) * MILLION,
            roi=None if hour < 2 else roi + rng.uniform(-0.4, 0.4),
        )
        for hour in range(24)
    ]
    windows = ("1h", "24h", "7d", "total")
    return card(
        campaign_id,
        name=f"{rng.choice(_SUBJECTS)} {number} – {rng.choice(_CHANNELS)}",
        channel=rng.choice(_CHANNELS),
        column=column,
        budget_micros=total * 250 * MILLION,
        spent_micros=done * 250 * MILLION + (0 if column == "backlog" else rng.randrange(250) * MILLION),
        card_micros=250 * MILLION,
        cards_done=done,
        cards_total=total,
        hold=hold if column == "hold" else None,
        evidence={
            "cpl": evidence(verdict, "cpl", cpl, rng),
            "roas": evidence(rng.choice(("good", "inconclusive")), "roas", 3.0, rng),
        },
        proposal=proposal(campaign_id, f"a-{number}")
        if verdict == "bad" and column in {"test", "scale"}
        else None,
        kpis={
            window: {
                "cpl": cpl * rng.uniform(0.9, 1.1),
                "cac": cpl * 4,
                "roas": 2 + roi,
                "roi_net_profit": roi,
            }
            for window in windows
        },
        sparkline=spark,
        reason={
            "bad": missed_reason("cpl", 31.2, 20),
            "good": "CPL surely better than target",
            "inconclusive": "",
        }[verdict],
    )


def board(count: int, seed: int = 7) -> list[BoardCard]:
    """A board with so many campaigns."""
    rng = random.Random(seed)
    return [varied(number, rng) for number in range(1, count + 1)]


def hour(campaign_id: str, number: int, leads: int, revenue: int = 0, begin: int = NOW_MS) -> CampaignKpi:
    """One final hour in which 20 EUR were spent; ``revenue`` in EUR, ``begin`` of hour 0 in epoch ms."""
    sums = dict.fromkeys(Sums.__struct_fields__, 0)
    sums |= {"clicks": 50, "leads": leads, "spend_micros": 20 * MILLION, "revenue_micros": revenue * MILLION}
    start = begin + number * HOUR
    return CampaignKpi(
        campaign_id=campaign_id,
        channel="search",
        model="declared",
        window="1h",
        window_start=format_instant(start),
        window_end=format_instant(start + HOUR),
        stage="final",
        revision=1,
        currency="EUR",
        sums=Sums(**sums),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis={},
        watermark=None,
        published_at=format_instant(start + HOUR),
    )


def fill(store: Store, cards: list[BoardCard]) -> None:
    """The hash of cards and that of columns; what was there is gone."""
    names = store.names
    store.delete(names.board, names.board_columns)
    if cards:
        store.hset(names.board, mapping={each.campaign_id: msgspec.json.encode(each) for each in cards})
    limits: dict[str, int | None] = {"test": 60, "scale": 40}
    for column in ("backlog", "test", "scale", "hold", "stopped", "archived"):
        mine = [each for each in cards if each.column == column]
        view = ColumnView(
            limit_campaigns=limits.get(column),
            limit_micros=None,
            count=len(mine),
            sum_micros=sum(each.card_micros for each in mine),
        )
        store.hset(names.board_columns, column, msgspec.json.encode(view))
    store.publish(names.board, b"")  # no card: asks boards to look at the whole


def say(store: Store, one: BoardCard) -> None:
    """A card as the controller says it: into the hash, and on the channel."""
    value = msgspec.json.encode(one)
    store.hset(store.names.board, one.campaign_id, value)
    store.publish(store.names.board, value)
