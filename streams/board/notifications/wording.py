"""Notices and digests as people read them, in a language and a time zone. Pure.

The texts are those of the page where it says the same, and come from the same catalogues.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_currency, format_percent

from metrics.budget.records import BoardCard, BudgetAction, BudgetDecision
from metrics.records.kpi_reading import Evidence
from metrics.values.money import MICROS
from streams.board.alert_notes import AlertNote
from streams.board.notifications.notices import Digest, Mention, Notice, daily_spend, moved, stops
from streams.catalogues import translated, translations

#: More than that nobody reads in a message; the rest is on the board.
MOST_LINES = 20
#: Figures older than this are said to be old.
_OLD_MS = 10 * 60_000
#: From here on cents say nothing.
_WHOLE = 100
_COSTS = frozenset({"cpl", "cpa", "cac"})
_SHOWN = {"cpl": "CPL", "cpa": "CPA", "cac": "CAC", "roas": "ROAS", "roi": "ROI", "clv_to_cac": "CLV : CAC"}


class Item(NamedTuple):
    """One campaign in a message: its name, what there is to say of it, and where it is on the board."""

    name: str
    text: str
    link: str | None


class Message(NamedTuple):
    """What is delivered: a title, parts each with a heading (which may be empty), and closing lines."""

    title: str
    parts: list[tuple[str, list[Item]]]
    closing: list[str]


class Wording:
    """The words of one recipient.

    Args:
        language: a language or a locale, as ``fr`` or ``en-GB``.
        zone: of every time.
        board: the address of the board; None: there are no links.
    """

    def __init__(self, language: str, zone: ZoneInfo, board: str | None) -> None:
        self._locale = Locale.parse(language.replace("-", "_"))
        self._texts = translations(self._locale.language)
        self._zone = zone
        self._board = None if board is None else board.rstrip("/")

    def t(self, text: str, /, **values: object) -> str:
        """A text; names in braces are replaced by values."""
        return _filled(self._texts.gettext(text), values)

    def n(self, one: str, many: str, count: int, /, **values: object) -> str:
        """A text that depends on a count, which is also the value of ``{count}``."""
        return _filled(self._texts.ngettext(one, many, count), {"count": count, **values})

    def notices(
        self,
        notices: Sequence[Notice],
        cards: Mapping[str, BoardCard],
        now_ms: int,
        mentions: Sequence[Mention] = (),
    ) -> Message:
        """What waits, what was done and who was mentioned, as one message; ``cards`` by campaign."""
        kinds = [[each for each in notices if each.kind == kind] for kind in ("waiting", "done")]
        counts = [self._waiting(kinds[0]), self._done(kinds[1]), self._mentioned(mentions)]
        items = [*(self._items(each, cards, now_ms) for each in kinds), self._comments(mentions, cards)]
        title, count = ", ".join(filter(None, counts)), len(notices) + len(mentions)
        parts = [(counted, each) for counted, each in zip(counts, items, strict=True) if each]
        if count == 1:
            title = self.t("{text}: {name}", text=title, name=parts[0][1][0].name)
        return Message(title, [("", parts[0][1])] if len(parts) == 1 else parts, self._closing(count))

    def _mentioned(self, mentions: Sequence[Mention]) -> str:
        return (
            self.n("{count} comment mentions you", "{count} comments mention you", len(mentions))
            if mentions
            else ""
        )

    def _comments(self, mentions: Sequence[Mention], cards: Mapping[str, BoardCard]) -> list[Item]:
        found = []
        for each in mentions[:MOST_LINES]:
            said = each.comment
            who = _line(said.by or "–")
            text = f"{who}, {self.time(each.at_ms)}: {_line(said.reason or '')}"
            found.append(Item(_name(said, cards), text, self._link(said.campaign_id)))
        return found

    def digest(
        self,
        digest: Digest,
        cards: Mapping[str, BoardCard],
        age_ms: int | None,
        alerts: Sequence[AlertNote],
        now_ms: int,
    ) -> Message:
        """The message of a morning; ``age_ms`` of the figures, ``alerts`` on the pipeline that fire."""
        day = format_date(datetime.fromtimestamp(now_ms / 1_000, self._zone), "full", self._locale)
        facts = []
        if not digest.waiting and not digest.done:
            facts.append(
                self.t(
                    "No decision waits, and the controller has done nothing since {time}.",
                    time=self.time_in_words(digest.since_ms),
                )
            )
        if digest.currency is not None:
            facts.append(
                self.t(
                    "Spent in the last 24 hours: {amount}.",
                    amount=self.money(digest.spend_micros, digest.currency),
                )
            )
        if age_ms is not None and age_ms > _OLD_MS:
            facts.append(self.t("Figures are {span} old.", span=_span(age_ms)))
        facts += [
            self.t(
                "Alert {alert}: {summary}.",
                alert=each.alert,
                summary=translated(each.summary, self._locale.language).removesuffix("."),
            )
            for each in alerts
        ]
        parts = [
            (self._waiting(digest.waiting), self._items(digest.waiting, cards, now_ms)),
            (
                self.t(
                    "{text} since {time}",
                    text=self._done(digest.done),
                    time=self.time_in_words(digest.since_ms),
                ),
                self._items(digest.done, cards, now_ms),
            ),
        ]
        shown = [part for part in parts if part[1]]
        over = max(len(digest.waiting), len(digest.done))
        return Message(self.t("The morning of {day}", day=day), shown, [*facts, *self._closing(over)])

    def _waiting(self, notices: Sequence[Notice]) -> str:
        return self.n("{count} decision waits", "{count} decisions wait", len(notices)) if notices else ""

    def _done(self, notices: Sequence[Notice]) -> str:
        return (
            self.n("The controller did {count} thing", "The controller did {count} things", len(notices))
            if notices
            else ""
        )

    def _closing(self, count: int) -> list[str]:
        more = (
            [self.n("And {count} more.", "And {count} more.", count - MOST_LINES)]
            if count > MOST_LINES
            else []
        )
        return [
            *more,
            *([] if self._board is None else [self.t("The board: {address}", address=f"{self._board}/")]),
        ]

    def _items(self, notices: Sequence[Notice], cards: Mapping[str, BoardCard], now_ms: int) -> list[Item]:
        return [self._item(each, cards, now_ms) for each in notices[:MOST_LINES]]

    def _item(self, notice: Notice, cards: Mapping[str, BoardCard], now_ms: int) -> Item:
        action, card = notice.action, cards.get(notice.action.campaign_id)
        texts = [f"{self.action(action)}. {self.why(action, card)}"]
        if notice.kind == "done":
            texts[0] = f"{self.action(action)}, {self.time(notice.at_ms)}. {self.why(action, card)}"
        elif card is not None:
            daily = daily_spend(card, now_ms)
            if stops(action) and daily:
                amount = self.money(daily, card.currency)
                texts.append(self.t("Waiting costs about {amount} of spend a day.", amount=amount))
            elif moved(action) and not stops(action):
                texts.append(
                    self.t("It moves {amount} of budget.", amount=self.money(moved(action), card.currency))
                )
            if card.proposed_until is not None:
                texts.append(self.t("Lapses {time}.", time=self._text_time(card.proposed_until)))
        return Item(_name(action, cards), " ".join(texts), self._link(action.campaign_id))

    def _link(self, campaign_id: str) -> str | None:
        return None if self._board is None else f"{self._board}/campaigns/{quote(campaign_id, safe='')}"

    def action(self, action: BudgetAction) -> str:
        """What an action does."""
        values = {
            "from": self.amount(action.budget_from, action.currency),
            "to": self.amount(action.budget_to, action.currency),
            "column": self._column(action.column),
        }
        if action.verb == "pause":
            return self.t("Pause")
        if action.verb == "resume":
            return self.t("Resume in {column}", **values) if action.column else self.t("Resume")
        if action.verb == "set_budget":
            return self.t("Budget {from} → {to}", **values)
        if action.budget_to in {action.budget_from, None}:
            return self.t("Move to {column}", **values)
        return self.t("Move to {column}, budget {from} → {to}", **values)

    def _column(self, column: str | None) -> str:
        names = {
            "backlog": self.t("backlog"), "test": self.t("test"), "scale": self.t("scale"),
            "hold": self.t("hold"), "stopped": self.t("stopped"), "archived": self.t("archived"),
        }  # fmt: skip
        return "–" if column is None else names[column]

    def _reason(self, reason: str) -> str:
        """What a rule or a guard wrote down, in the reader's language; what a person wrote stays."""
        return translated(_line(reason), self._locale.language)

    def why(self, action: BudgetAction, card: BoardCard | None) -> str:
        """Why an action is taken: in the reader's language where the evidence says it, else as it was written down."""
        target = action.rule.removeprefix("evidence:") if action.rule.startswith("evidence:") else ""
        found = card.evidence.get(target) if card is not None else None
        low, high, goal = (action.evidence.get(f"{target}_{end}") for end in ("low", "high", "target"))
        if found is not None and (low is not None or high is not None):
            # The card shows a later look, at which evidence may have begun anew.
            found = msgspec.structs.replace(found, verdict="bad", interval=(low, high))
        if card is None or found is None or found.verdict != "bad":
            return f"{self._reason(action.reason).removesuffix('.')}."
        return self.plainly(card, found, None if goal is None else float(goal))

    def plainly(self, card: BoardCard, one: Evidence, target: float | None = None) -> str:
        """What the evidence for one target says, for who has never heard of e-values; ``target`` is another than the card's."""
        goal = card.targets_micros[one.target] / MICROS if one.target in card.targets_micros else None
        goal = goal if target is None else target
        low, high = one.interval
        values = {"kpi": _SHOWN.get(one.target, one.target)} | {
            name: self.figure(one.target, each, card.currency)
            for name, each in {"low": low, "high": high, "target": goal}.items()
        }
        if high is None:
            within = self.t("it is likely {low} or more, and its target is {target}", **values)
        else:
            within = self.t("it is likely between {low} and {high}, and its target is {target}", **values)
        named = {**values, "range": within}
        side = _leaning(one, goal)
        if one.verdict == "bad":
            return self.t(
                "{kpi} surely misses its target: {range}. A campaign on target hardly ever looks this bad, however often one looks.",
                **named,
            )
        if one.verdict == "good":
            return self.t("{kpi} surely meets its target: {range}.", **named)
        if side == "good":
            return self.t(
                "{kpi} very likely meets its target: {range}. It is not proved to the level that the policy asks for, so nothing is done about it for now.",
                **named,
            )
        if side == "bad":
            return self.t(
                "{kpi} very likely misses its target: {range}. It is not proved to the level that the policy asks for, so nothing is done about it for now.",
                **named,
            )
        if low is None and high is None:
            return self.t("{kpi}: too early to say. Nothing is done about it for now.", **named)
        return self.t("{kpi}: too early to say; {range}. Nothing is done about it for now.", **named)

    def figure(self, target: str, units: float | None, currency: str) -> str:
        """A target, or an end of its interval: money, a ratio or a share."""
        if units is None:
            return "…"
        if target == "roi":
            return ("+" if units > 0 else "") + format_percent(round(units, 2), locale=self._locale)
        return self.amount(units, currency) if target in _COSTS else f"{units:.2f}"

    def money(self, micros: int, currency: str) -> str:
        """An amount of micros."""
        return self.amount(micros / MICROS, currency)

    def amount(self, units: float | Decimal | None, currency: str) -> str:
        """Whole currency units from 100 on, else cents."""
        if units is None:
            return "–"
        exact = Decimal(str(units))
        pattern = self._locale.currency_formats["standard"].pattern
        if abs(exact) >= _WHOLE:
            pattern = re.sub(r"\.0+", "", pattern)
        return format_currency(round(exact, 2), currency, pattern, self._locale, currency_digits=False)

    def time(self, at_ms: int) -> str:
        """Day and time, with the zone: a message is read elsewhere than it is written."""
        return ", ".join(self._day_and_time(at_ms))

    def time_in_words(self, at_ms: int) -> str:
        """As ``time``, for the middle of a sentence: after a preposition French wants the time before the day."""
        day, time = self._day_and_time(at_ms)
        return self.t("{day}, {time}", day=day, time=time)

    def _day_and_time(self, at_ms: int) -> tuple[str, str]:
        at = datetime.fromtimestamp(at_ms / 1_000, self._zone)
        day = format_skeleton("MMMd", at, locale=self._locale)
        return day, f"{format_time(at, 'short', locale=self._locale)} {at.tzname()}"

    def _text_time(self, text: str) -> str:
        return self.time(round(datetime.fromisoformat(text).timestamp() * 1_000))


def as_text(message: Message) -> str:
    """A message without markup, for a mail."""
    blocks = []
    for heading, items in message.parts:
        lines = [f"{heading}\n"] if heading else []
        lines += [
            "\n".join(filter(None, (f"• {each.name}", f"  {each.text}", each.link and f"  {each.link}")))
            + "\n"
            for each in items
        ]
        blocks.append("\n".join(lines))
    return "\n".join([*blocks, *message.closing]) + "\n"


def as_slack(message: Message) -> str:
    """A message in Slack's markup (mrkdwn), in which no name or reason can call anybody or make a link.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    lines = [f"*{_escaped(message.title)}*"]
    for heading, items in message.parts:
        lines += [f"*{_escaped(heading)}*"] if heading else []
        for each in items:
            name = _escaped(each.name).replace("|", "¦")
            lines.append(f"• {f'<{each.link}|{name}>' if each.link else name}: {_escaped(each.text)}")
    return "\n".join([*lines, *map(_escaped, message.closing)])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _filled(text: str, values: Mapping[str, object]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)


def _name(of: BudgetAction | BudgetDecision, cards: Mapping[str, BoardCard]) -> str:
    card = cards.get(of.campaign_id)
    return _line((card.name if card is not None else None) or of.campaign_id)


def _line(text: str) -> str:
    """A text of somebody else as one line."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _leaning(one: Evidence, goal: float | None) -> str | None:
    """On which side of its target the whole interval of an undecided figure lies."""
    low, high = one.interval
    if goal is None or one.verdict != "inconclusive":
        return None
    if low is not None and low > goal:
        return "bad" if one.target in _COSTS else "good"
    if high is not None and high < goal:
        return "good" if one.target in _COSTS else "bad"
    return None


def _span(ms: int) -> str:
    minutes = ms // 60_000
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
