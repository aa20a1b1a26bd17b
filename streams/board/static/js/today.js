// What needs a person this morning, most money at stake first. What is found is pure; the rest shows it.

import { byId, h, setText } from "./dom.js";
import { action, consequence, deed, hold, money, plainly, time, timeInWords, why } from "./format.js";
import { n, t } from "./i18n.js";
import { nameOf, RUNS } from "./store.js";

const HOUR_MS = 3_600_000, DAY_MS = 24 * HOUR_MS;
/** Figures older than this are said to be old. */
const STALE_MS = 10 * 60_000;
/** Above this share of estimated spend a figure is mostly an estimate; above this share of time without a report it lacks its spend. */
const MOSTLY_SPREAD = 0.5, MOSTLY_UNREPORTED = 0.5;
const MAX_NAMES = 4;

/** What a campaign has spent in the last 24 hours, in micros; in the last day that its reports know of, where it has any. */
export function dailySpend(card, nowMs) {
  if (card.known_spend) return card.known_spend.spend_micros;
  return card.sparkline.filter((each) => Date.parse(each.t) > nowMs - DAY_MS).reduce((sum, each) => sum + (each.spend_micros ?? 0), 0);
}

/** What was spent since an action: the action says how much had been spent by then; older ones are told by the hours after them. */
function spentAfter(card, record, atMs) {
  const before = Number(record.evidence?.spent ?? NaN);
  return Number.isFinite(before) ? Math.max(0, card.spent_micros - before * 1e6) : spentSince(card, atMs);
}

const spentSince = (card, sinceMs) => card.sparkline.filter((each) => Date.parse(each.t) >= sinceMs).reduce((sum, each) => sum + (each.spend_micros ?? 0), 0);

/** The verdict of a card: bad where any target is missed, good where one is met and none missed. */
export function verdictOf(card) {
  const all = Object.values(card.evidence).map((each) => each.verdict);
  return all.includes("bad") ? "bad" : all.includes("good") ? "good" : "inconclusive";
}

/**
 * The lines of today.
 * @param {{cards: Map, entries: Array, readings: Array, alike: Array<Array<string>>, split: {orders: number, events: number}, sinceMs: number, verdicts: Object, nowMs: number}} known verdicts: those of the last visit
 * @returns {Array<{kind: string, stake: number, currency: string, id: ?string, title: string, texts: Array<string>, card: ?object}>}
 */
export function linesOf(known) {
  const lines = [...waiting(known), ...done(known), ...turned(known), ...doubtful(known), ...alikeIds(known), ...splitIds(known)];
  return lines.sort((a, b) => b.stake - a.stake || a.title.localeCompare(b.title));
}

function* waiting({ cards, nowMs }) {
  for (const card of cards.values()) {
    const { proposal } = card;
    if (!proposal || proposal.mode === "observe") continue; // under observe nobody waits for an answer
    const daily = dailySpend(card, nowMs), stops = proposal.verb === "pause" || (proposal.verb === "move" && !RUNS.has(proposal.column));
    const moved = proposal.budget_to === null ? 0 : Math.abs((proposal.budget_to - (proposal.budget_from ?? 0)) * 1e6);
    const texts = [`${action(proposal)}. ${why(card, proposal)}`];
    texts.push(stops ? t("Waiting costs about {amount} of spend a day.", { amount: money(daily, card.currency) })
      : moved ? t("It moves {amount} of budget.", { amount: money(moved, card.currency) }) : consequence(proposal));
    if (card.known_spend) texts.push(t("Its spend is known until {time}.", { time: timeInWords(card.known_spend.until) }));
    if (card.proposed_until) texts.push(t("Lapses {time}.", { time: time(card.proposed_until) }));
    yield line("decide", Math.max(stops ? daily : 0, moved), card, texts);
  }
}

function* done({ cards, entries, sinceMs, nowMs }) {
  for (const { kind, at, record } of entries) {
    const card = cards.get(record.campaign_id), atMs = Date.parse(at);
    if (kind !== "action" || record.mode !== "enforce" || !card || atMs <= sinceMs || record.rule.startsWith("operator")) continue;
    const texts = [`${t("{what}, {time}.", { what: deed(record), time: time(at) })} ${why(card, record)}`, outcome(card, record, atMs)];
    yield line("done", Math.max(dailySpend(card, nowMs), spentSince(card, atMs - DAY_MS)), card, texts);
  }
}

/** What came of an action so far. */
function outcome(card, record, atMs) {
  const known = card.known_spend;
  if (known && (!known.is_by_hour || Date.parse(known.until) <= atMs)) {
    return t("What it spent since then is not known yet: its reports reach to {time}.", { time: timeInWords(known.until) });
  }
  const text = effectOf(card, record, atMs);
  return known ? `${text} ${t("Its spend is known until {time}.", { time: timeInWords(known.until) })}` : text;
}

function effectOf(card, record, atMs) {
  const values = { amount: money(spentAfter(card, record, atMs), card.currency) };
  if (record.verb === "pause" && card.hold) return t("Since then it spent {amount}. {hold}.", { ...values, hold: hold(card.hold).replace(/\.$/, "") });
  if (record.verb === "pause" && RUNS.has(card.column)) return t("It runs again, and spent {amount} since then.", values);
  return t("Since then it spent {amount}.", values);
}

function* turned({ cards, verdicts, nowMs }) {
  for (const card of cards.values()) {
    const before = verdicts[card.campaign_id], now = verdictOf(card);
    if (before === undefined || before === now || !RUNS.has(card.column)) continue;
    const ones = Object.values(card.evidence).filter((each) => each.verdict === now);
    const texts = ones.length ? ones.map((each) => plainly(card, each)) : [t("What was sure at the last visit is open again.")];
    yield line(now === "bad" ? "worse" : now === "good" ? "better" : "open", dailySpend(card, nowMs), card, texts);
  }
}

function* doubtful({ cards, readings, alike, nowMs }) {
  const old = [], spelt = new Set(alike.flat());
  for (const reading of readings) {
    const { campaign_id: id, currency, sums, spread_ratio: spread, unreported_ratio: unreported, has_uncertain_amounts: isUncertain, watermark } = reading, card = cards.get(id);
    const spent = sums.spend_micros ?? 0, texts = [];
    if (!card && !id.startsWith("(") && !spelt.has(id)) {
      texts.push(t("Records name this campaign, and nobody registered it: it has no budget, no target and no card. Register it, or correct the id at its source."));
    } else if (id === "(none)" && (sums.orders || sums.leads)) {
      texts.push(n("{count} conversion of the last 24 hours names no campaign; look at the links that lead to the site.",
        "{count} conversions of the last 24 hours name no campaign; look at the links that lead to the site.", (sums.orders ?? 0) + (sums.leads ?? 0)));
    }
    if (spread > MOSTLY_SPREAD) texts.push(t("{share} of its spend of the last 24 hours is an estimate: its platform reports longer times. Wait for the report before you judge a day.", { share: share(spread) }));
    else if (unreported > MOSTLY_UNREPORTED) texts.push(t("No report says yet what {share} of the last 24 hours cost: what it brought then has no spend beside it. See whether its reports still come.", { share: share(unreported) }));
    if (isUncertain) texts.push(t("Amounts of the last 24 hours are in a currency without a rate, or the rate came late; without one they count as 0. Add the rate to fx-rates."));
    const stake = Math.max(spent, sums.revenue_micros ?? 0);
    if (watermark && nowMs - Date.parse(watermark) > STALE_MS) old.push({ watermark, stake, currency });
    if (!texts.length) continue;
    yield card ? line("doubt", stake, card, texts) : { kind: "doubt", stake, currency, id: null, title: id === "(none)" ? t("no campaign named") : id, texts, card: null };
  }
  if (old.length) yield standstill(old);
}

/** Ids that are spelt alike are several campaigns, whose spend and orders do not meet. */
function* alikeIds({ cards, readings, alike }) {
  const known = new Map(readings.map((each) => [each.campaign_id, each]));
  for (const ids of alike) {
    const sums = ids.map((id) => known.get(id)?.sums), add = (name) => sums.reduce((sum, each) => sum + (each?.[name] ?? 0), 0);
    const currency = known.get(ids.find((id) => known.has(id)))?.currency ?? cards.get(ids.find((id) => cards.has(id)))?.currency;
    const title = ids.slice(0, MAX_NAMES).map((id) => `“${id}”`).join(", ") + (ids.length > MAX_NAMES ? " …" : "");
    yield { kind: "doubt", stake: Math.max(add("spend_micros"), add("revenue_micros")), currency, id: null, title, card: null,
      texts: [t("These {count} ids differ only in case, spaces or encoding, and are counted as so many campaigns. If they are one, let its sources write one id, or join the ids by CAMPAIGN_ALIASES.", { count: ids.length })] };
  }
}

/** Records that belong together and came on several partitions do not find each other. */
function* splitIds({ cards, split }) {
  const { orders, events } = split, texts = [];
  if (orders) {
    texts.push(n("The records of {count} order came on several partitions: its changes and refunds did not find it. Let its source give all records of an order one key, such as the visitor's id.",
      "The records of {count} orders came on several partitions: their changes and refunds did not find them. Let their source give all records of an order one key, such as the visitor's id.", orders));
  }
  if (events) {
    texts.push(n("{count} event came on several partitions, and counted on each. Let its source give all records of one event_id one key, such as the visitor's id.",
      "{count} events came on several partitions, and counted on each. Let their source give all records of one event_id one key, such as the visitor's id.", events));
  }
  const [card] = cards.values();
  if (texts.length) yield { kind: "doubt", stake: 0, currency: card?.currency ?? "EUR", id: null, title: t("records on several partitions"), texts, card: null };
}

/** Figures that are old have one cause for all campaigns, so it is one line. */
function standstill(old) {
  const oldest = old.reduce((least, each) => each.watermark < least ? each.watermark : least, old[0].watermark);
  const text = n("The figures of {count} campaign are complete up to {time} only. Is a source or a worker standing still, or is nothing happening?",
    "The figures of {count} campaigns are complete up to {time} only. Is a source or a worker standing still, or is nothing happening?", old.length, { time: timeInWords(oldest) });
  const stake = old.reduce((sum, each) => sum + each.stake, 0);
  return { kind: "doubt", stake, currency: old[0].currency, id: null, title: t("old figures"), texts: [text], card: null };
}

const share = (value) => new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 0 }).format(value);

const line = (kind, stake, card, texts) => ({ kind, stake, currency: card.currency, id: card.campaign_id, title: nameOf(card), texts, card });

export const KINDS = {
  decide: t("waits for a decision"), done: t("done by the controller"), worse: t("turned bad"), better: t("turned good"), open: t("open again"), doubt: t("doubtful figures"),
};
const MAX_LINES = 200;

/** Shows the lines; what stands right is not drawn anew, so that focus stays. */
export function showToday(lines, sinceMs, shown) {
  const counts = new Map();
  for (const each of lines) counts.set(each.kind, (counts.get(each.kind) ?? 0) + 1);
  setText(byId("today-summary"), lines.length
    ? [...counts].map(([kind, count]) => t("{kind}: {count}", { kind: KINDS[kind], count })).join(" · ")
    : t("Nothing needs you: no decision waits, nothing was done and nothing turned since {time}.", { time: timeInWords(sinceMs) }));
  setText(byId("today-since"), t("Since your last visit, {time}", { time: time(sinceMs) }));
  const list = byId("today-list"), wanted = lines.slice(0, MAX_LINES), key = (each) => `${each.kind} ${each.id ?? each.title} ${each.texts.join(" ")}`;
  const keys = wanted.map(key), state = keys.join("\n");
  if (shown.state === state) return;
  shown.state = state;
  const focused = document.activeElement?.closest?.("#today-list [data-key]"), at = focused && [focused.dataset.key, document.activeElement.dataset.verb];
  list.replaceChildren(...wanted.map((each, index) => item(each, keys[index])));
  if (lines.length > MAX_LINES) list.append(h("li", {}, n("And {count} more.", "And {count} more.", lines.length - MAX_LINES)));
  if (at) [...list.querySelectorAll("[data-key]")].find((each) => each.dataset.key === at[0])?.querySelector(at[1] ? `[data-verb="${at[1]}"]` : "a, button")?.focus();
}

function item(each, key) {
  const title = each.id === null ? h("b", { dir: "auto" }, each.title)
    : h("a", { href: `/campaigns/${encodeURIComponent(each.id)}`, "data-open": each.id, dir: "auto" }, each.title);
  const verbs = each.kind === "decide"
    ? [h("button.primary", { type: "button", "data-verb": "approve", "data-campaign": each.id, "aria-label": t("Approve for {name}", { name: each.title }) }, t("Approve")),
      h("button", { type: "button", "data-verb": "reject", "data-campaign": each.id, "aria-label": t("Reject for {name}", { name: each.title }) }, t("Reject"))]
    : each.kind === "worse" ? [h("button", { type: "button", "data-verb": "pause", "data-campaign": each.id, "aria-label": t("Pause {name}", { name: each.title }) }, t("Pause …"))] : [];
  return h("li", { "data-kind": each.kind, "data-key": key },
    h("div.head", {}, title, h("span.kind", {}, KINDS[each.kind]), h("span.stake", { title: t("money at stake") }, money(each.stake, each.currency))),
    ...each.texts.filter(Boolean).map((text) => h("p", { dir: "auto" }, text)), verbs.length ? h("menu", {}, ...verbs) : null);
}

// --- visits -----------------------------------------------------------------------------------------

const VISIT_KEY = "roistream-board-visit";
/** A page that was left for less than this is the same visit. */
const SAME_VISIT_MS = 30 * 60_000;

/**
 * The visit that goes on: when the one before it ended, and what verdicts were seen then.
 * @param {number} nowMs
 */
export function beginVisit(nowMs) {
  let known = {};
  try {
    known = JSON.parse(localStorage.getItem(VISIT_KEY)) ?? {};
  } catch { /* written by another version: begun anew */ }
  const seenMs = known.seenMs ?? nowMs - DAY_MS;
  const isSame = nowMs - seenMs < SAME_VISIT_MS && known.sinceMs !== undefined;
  const visit = isSame ? { sinceMs: known.sinceMs, verdicts: known.verdicts ?? {} } : { sinceMs: seenMs, verdicts: known.seen ?? {} };
  return {
    ...visit,
    /** Remembers what is seen now. */
    keep(cards, atMs) {
      const seen = Object.fromEntries([...cards.values()].map((card) => [card.campaign_id, verdictOf(card)]));
      localStorage.setItem(VISIT_KEY, JSON.stringify({ ...visit, seenMs: atMs, seen }));
    },
  };
}
