// Figures as people read them. Knows no element.

import { locale, t } from "./i18n.js";
import { columnName, ownerName } from "./names.js";
import { reasonText } from "./reasons.js";

export { COLUMN_NAMES, columnName } from "./names.js";

const MICROS = 1e6;
const formatters = new Map();

function formatter(key, options) {
  let found = formatters.get(key);
  if (!found) {
    try {
      found = new Intl.NumberFormat(locale, options);
    } catch {
      found = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }); // not a currency code
    }
    formatters.set(key, found);
  }
  return found;
}

/** Whole currency units from 100 on, else cents. */
export function money(micros, currency) {
  if (micros === null || micros === undefined) return "–";
  return amount(micros / MICROS, currency);
}

export function amount(units, currency) {
  if (units === null || units === undefined) return "–";
  const digits = Math.abs(Number(units)) >= 100 ? 0 : 2;
  return formatter(`${currency}${digits}`, {
    style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(units);
}

export function number(value, digits = 2) {
  return value === null || value === undefined ? "–" : formatter(`n${digits}`, { maximumFractionDigits: digits }).format(value);
}

export function percent(value, isSigned = false) {
  if (value === null || value === undefined) return "–";
  return formatter(`p${isSigned}`, { style: "percent", maximumFractionDigits: 0, signDisplay: isSigned ? "exceptZero" : "auto" }).format(value);
}

/** What something costs; where nothing was spent it is free, which no sum of money says well. */
function cost(units, currency) {
  return units === 0 ? t("free") : amount(units, currency);
}

/** The KPIs that a card and the details show: those in money, ratios, and ROI as a signed share. */
export const KPIS = {
  cpl: { label: t("CPL"), title: t("cost per lead"), formula: t("spend ÷ leads"), show: cost },
  cac: { label: t("CAC"), title: t("customer acquisition cost"), formula: t("spend ÷ new customers"), show: cost },
  roas: { label: t("ROAS"), title: t("return on ad spend"), formula: t("revenue ÷ spend"), show: (value) => number(value) },
  roi_net_profit: { label: t("ROI"), title: t("ROI by net profit"), formula: t("(revenue − cost of goods − spend) ÷ spend"), show: (value) => percent(value, true) },
  roi_incremental: { label: t("ROI incremental"), title: t("ROI by additional revenue"), formula: t("(revenue − baseline − spend) ÷ spend"), show: (value) => percent(value, true) },
  roi_lead_value: { label: t("ROI lead value"), title: t("ROI by lead value"), formula: t("(leads × value of a lead − spend) ÷ spend"), show: (value) => percent(value, true) },
  roi_conversion_rate: { label: t("ROI conversion rate"), title: t("ROI by conversion rate"), formula: t("(leads × conversion rate × average order − spend) ÷ spend"), show: (value) => percent(value, true) },
  cpc: { label: t("CPC"), title: t("cost per click"), formula: t("spend ÷ clicks"), show: cost },
  lead_rate: { label: t("Lead rate"), title: t("leads per click"), formula: t("leads ÷ clicks"), show: (value) => percent(value) },
  customer_rate: { label: t("Customer rate"), title: t("new customers per lead"), formula: t("new customers ÷ leads"), show: (value) => percent(value) },
  aov: { label: t("AOV"), title: t("average order value"), formula: t("revenue ÷ orders"), show: amount },
};

export const kpi = (name, value, currency) =>
  value === null || value === undefined ? "–" : (KPIS[name]?.show ?? ((each) => number(each)))(value, currency);

const MODES = { observe: t("observe"), propose: t("propose"), enforce: t("enforce") };
export const modeName = (name) => MODES[name] ?? name;

/** Beyond a thousand, an e-value only says "surely". */
export const eValue = (value) => value > 1000 ? "> 1000" : number(value);

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const dayClock = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
// With its zone: operators of one board may sit in several.
const exact = new Intl.DateTimeFormat(locale, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

/** The time of today, or day and time. */
export function time(instant, now = new Date()) {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return String(instant);
  return (date.toDateString() === now.toDateString() ? clock : dayClock).format(date);
}

/** As `time`, for the middle of a sentence: after a preposition French wants the time before the day. */
export function timeInWords(instant, now = new Date()) {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime()) || date.toDateString() === now.toDateString()) return time(instant, now);
  return t("{day}, {time}", { day: day.format(date), time: clock.format(date) });
}

/** The time of today to the second, or day and time: decisions of one minute have an order. */
export function moment(instant, now = new Date()) {
  const date = new Date(instant);
  return date.toDateString() === now.toDateString() ? seconds.format(date) : time(instant, now);
}

/** A time span in words: seconds up to two minutes, then minutes, then hours. */
export function span(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 2) return `${Math.floor(ms / 1000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function exactTime(instant) {
  const date = new Date(instant);
  return Number.isNaN(date.getTime()) ? String(instant) : exact.format(date);
}

export const VERDICTS = { bad: t("misses target"), good: t("meets target"), inconclusive: t("too early to say") };
export const TARGETS = { cpl: "CPL", cpa: "CPA", cac: "CAC", roas: "ROAS", roi: "ROI", clv_to_cac: "CLV : CAC" };
const MARKS = { bad: "▼", good: "▲", inconclusive: "·" };
/** Targets that a good campaign stays below; of the others it stays above. */
const COSTS = new Set(["cpl", "cpa", "cac"]);

/** On which side of its target the whole interval of an undecided figure lies: "good", "bad", or null where it reaches over the target. */
export function leaning(card, one) {
  const goal = targetOf(card, one.target), [low, high] = one.interval;
  if (goal === null || one.verdict !== "inconclusive") return null;
  if (low !== null && low > goal) return COSTS.has(one.target) ? "bad" : "good";
  if (high !== null && high < goal) return COSTS.has(one.target) ? "good" : "bad";
  return null;
}

/** Whether the evidence has paused the campaign already: what is asked of it now is the proof for one more pause. */
const isHeldForIt = (card) => card.hold?.owner === "evidence";

/** The verdict on one target in words. */
export function verdict(card, one) {
  const side = leaning(card, one);
  if (side === "good") return t("very likely meets target, not proved yet");
  if (side === "bad") return isHeldForIt(card) ? t("very likely misses target") : t("very likely misses target, not proved yet");
  return VERDICTS[one.verdict] ?? one.verdict;
}

/** Evidence for one target, short: "▼ CPL misses target". */
export const evidence = (card, one) => `${MARKS[one.verdict] ?? "·"} ${TARGETS[one.target] ?? one.target} ${verdict(card, one)}`;

/** A target, or an end of its interval, as its KPI is written; ``units`` of money or a ratio. */
export function targetFigure(target, units, currency) {
  if (units === null || units === undefined) return "…";
  if (target === "roi") return percent(units, true);
  return target === "roas" || target === "clv_to_cac" ? number(units) : amount(units, currency);
}

export const targetOf = (card, target) => {
  const micros = card.targets_micros?.[target];
  return micros === undefined ? null : micros / MICROS;
};

/** What the evidence for one target says, for who has never heard of e-values. */
export function plainly(card, one) {
  const [low, high] = one.interval.map((end) => targetFigure(one.target, end, card.currency));
  const goal = one.goal ?? targetOf(card, one.target);
  const values = { kpi: TARGETS[one.target] ?? one.target, low, high, target: targetFigure(one.target, goal, card.currency) };
  const range = one.interval[1] === null ? t("it is likely {low} or more, and its target is {target}", values)
    : t("it is likely between {low} and {high}, and its target is {target}", values);
  const side = leaning(card, one), named = { ...values, range };
  if (one.verdict === "bad") return t("{kpi} surely misses its target: {range}. A campaign on target hardly ever looks this bad, however often one looks.", named);
  if (one.verdict === "good") return t("{kpi} surely meets its target: {range}.", named);
  if (side === "good") return t("{kpi} very likely meets its target: {range}. It is not proved to the level that the policy asks for, so nothing is done about it for now.", named);
  if (side === "bad" && isHeldForIt(card)) return t("{kpi} very likely misses its target: {range}. The campaign is held for it; after the hold it is judged anew.", named);
  if (side === "bad") return t("{kpi} very likely misses its target: {range}. It is not proved to the level that the policy asks for, so nothing is done about it for now.", named);
  if (one.interval.every((end) => end === null)) return t("{kpi}: too early to say. Nothing is done about it for now.", named);
  return t("{kpi}: too early to say; {range}. Nothing is done about it for now.", named);
}

/** The evidence an action was taken on; null where nobody kept it. The card shows a later look, at which evidence may have begun anew. */
function atDecision(card, record, target) {
  const low = record.evidence?.[`${target}_low`], high = record.evidence?.[`${target}_high`];
  if (low !== undefined && high !== undefined) return { target, interval: [low, high], goal: record.evidence[`${target}_target`] };
  const one = card.evidence[target];
  return one && (one.verdict === "bad" || leaning(card, one) === "bad") ? one : null;
}

/** Why an action is taken: in the reader's language where the evidence says it, else as it was written down. */
export function why(card, record) {
  const target = /^evidence:(\w+)$/.exec(record.rule)?.[1], one = target && atDecision(card, record, target);
  if (one) return plainly(card, { ...one, verdict: "bad" });
  const [first = "", ...rest] = reasonText(record.reason);
  return `${first.toLocaleUpperCase(locale)}${rest.join("")}.`;
}

export function hold(one) {
  const values = { owner: ownerName(one.owner), time: one.expires_at ? timeInWords(one.expires_at) : "", reason: reasonText(one.reason) };
  // What the evidence says stands beside it, in words that everybody knows.
  if (one.owner === "evidence") return one.expires_at ? t("Held by {owner} until {time}", values) : t("Held by {owner} until someone resumes it", values);
  if (one.expires_at) return t("Held by {owner} until {time}: {reason}", values);
  return one.owner === "wip" ? t("Held by {owner} until there is room: {reason}", values) : t("Held by {owner} until someone resumes it: {reason}", values);
}

const PACES = { ahead: t("ahead of its pace"), behind: t("behind its pace") };

/** Short, for the card; nothing while it is on pace. */
export const pace = (card) => PACES[card.pace?.pace] ?? "";

/** How far the reports reach that its spend comes by; nothing where it comes by events. */
export const known = ({ known_spend: found }) => found ? t("spend known until {time}", { time: timeInWords(found.until) }) : "";

/** Where the spend goes, in full. */
export function projection({ pace: found, currency }) {
  return t("{pace}: {projected} by {time} as projected, {low} to {high} would be on pace", {
    pace: PACES[found.pace] ?? t("on pace"), projected: money(found.projected_micros, currency), time: timeInWords(found.ends_at),
    low: money(found.low_micros, currency), high: money(found.high_micros, currency),
  });
}

/** What ad platforms are told when an action is done. */
export function consequence(record) {
  const isStop = record.verb === "pause" || (record.verb === "move" && !["test", "scale"].includes(record.column));
  const parts = [record.verb === "set_budget" ? t("Ad platforms are told the new budget.")
    : isStop ? t("Ad platforms are told to stop it; money spent so far is spent.") : t("Ad platforms are told to run it.")];
  if (record.verb === "pause") {
    parts.push(record.hold?.expires_at ? t("It returns to test by itself when the hold ends.")
      : record.hold?.owner === "wip" ? t("It returns when there is room.") : t("It returns only when someone resumes it."));
  }
  if (record.budget_to !== null && record.budget_to !== record.budget_from) {
    parts.push(t("Its budget becomes {to} (now {from}).", { to: amount(record.budget_to, record.currency), from: amount(record.budget_from, record.currency) }));
  }
  return parts.join(" ");
}

/** What a budget may be now, as its card last said; nothing where it did not. */
export function budgetRange({ budget_range: found, currency }) {
  if (!found) return "";
  const values = { low: exactAmount(found.low_micros, currency), high: exactAmount(found.high_micros, currency), time: timeInWords(found.as_of) };
  return t("From {low} to {high}, as the guards stood at {time}.", values);
}

/** An amount with all of its digits; ends of a range are not rounded past it. */
function exactAmount(micros, currency) {
  const least = micros % MICROS ? 2 : 0;
  return formatter(`exact${currency}${least}`, { style: "currency", currency, minimumFractionDigits: least, maximumFractionDigits: 6 }).format(micros / MICROS);
}

/** What an action does, in words. */
export function action(record) {
  const values = { from: amount(record.budget_from, record.currency), to: amount(record.budget_to, record.currency), column: columnName(record.column) };
  switch (record.verb) {
    case "pause": return t("Pause");
    case "resume": return record.column ? t("Resume in {column}", values) : t("Resume");
    case "set_budget": return t("Budget {from} → {to}", values);
    case "move": return record.budget_to === record.budget_from || record.budget_to === null
      ? t("Move to {column}", values) : t("Move to {column}, budget {from} → {to}", values);
    default: return record.verb;
  }
}

/** What an action did, in words. */
export function deed(record) {
  const values = { from: amount(record.budget_from, record.currency), to: amount(record.budget_to, record.currency), column: columnName(record.column) };
  switch (record.verb) {
    case "pause": return t("Put on hold");
    case "resume": return record.column ? t("Resumed in {column}", values) : t("Resumed");
    case "set_budget": return t("Budget changed from {from} to {to}", values);
    case "move": return record.budget_to === record.budget_from || record.budget_to === null
      ? t("Moved to {column}", values) : t("Moved to {column}, budget changed from {from} to {to}", values);
    default: return record.verb;
  }
}

/** What an operator said, in words; without a card of its campaign a budget is a bare number. */
export function decision(record, currency = null) {
  const budget = record.budget === null || record.budget === undefined ? "" : currency ? amount(Number(record.budget), currency) : number(Number(record.budget));
  const values = { column: columnName(record.column), budget, time: record.until ? timeInWords(record.until) : "" };
  switch (record.verb) {
    case "approve": return t("Approve the proposal");
    case "reject": return t("Reject the proposal");
    case "move": return record.until ? t("Move to {column} until {time}", values) : t("Move to {column}", values);
    case "set_budget": return t("Set the budget to {budget}", values);
    case "pause": return record.until ? t("Pause until {time}", values) : t("Pause");
    case "resume": return t("Resume");
    case "comment": return t("Comment");
    default: return record.verb;
  }
}

const LONGEST = 56, TAIL = 22;

/** A long name with its beginning and its end: what tells campaigns of one scheme apart often stands last. */
export function shortened(name) {
  const letters = [...name];
  return letters.length <= LONGEST ? name : `${letters.slice(0, LONGEST - TAIL - 1).join("").trimEnd()}…${letters.slice(-TAIL).join("").trimStart()}`;
}

/** The separators that numbers of the page have. */
const parts = new Intl.NumberFormat(locale).formatToParts(1234567.5);
const GROUP = parts.find((each) => each.type === "group")?.value ?? "", DECIMAL = parts.find((each) => each.type === "decimal").value;

/** How a currency may stand beside an amount: as its code, or as the page and its neighbours write it. */
function signsOf(currency) {
  const signs = ["code", "symbol", "narrowSymbol"].map((currencyDisplay) => {
    try {
      return new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay }).formatToParts(1).find((each) => each.type === "currency")?.value;
    } catch {
      return currency; // not a currency code
    }
  });
  return [...new Set(signs)].filter(Boolean).sort((a, b) => b.length - a.length);
}

/** The text without the sign of the currency at its beginning or end. */
function withoutSign(text, currency) {
  const found = currency && signsOf(currency).find((sign) => text.startsWith(sign) || text.endsWith(sign));
  if (!found) return text;
  return text.startsWith(found) ? text.slice(found.length) : text.slice(0, -found.length);
}

/** An amount as the page prints it, its own currency with it, or as machines do ("1 000 000,50 €", "1000000.50"), as decimal text for the API; null where it is none. */
export function parsedAmount(text, currency = null) {
  const bare = withoutSign(text.replaceAll(/[\s\u00a0\u202f'’]/g, ""), currency);
  const isGrouped = GROUP && /^[.,]$/.test(GROUP) && new RegExp(`^\\d{1,3}(\\${GROUP}\\d{3})+(\\${DECIMAL}\\d{1,6})?$`).test(bare);
  // A foreign separator before three digits may be meant either way.
  if (!isGrouped && [".", ","].some((each) => each !== DECIMAL && new RegExp(`\\${each}\\d{3}$`).test(bare))) return null;
  const plain = (isGrouped ? bare.replaceAll(GROUP, "") : bare).replace(",", ".");
  return /^\d{1,13}(\.\d{1,6})?$/.test(plain) ? plain : null;
}

const PLATFORMS = { google: "Google Ads", linkedin: "LinkedIn", meta: "Meta", microsoft: "Microsoft Advertising", tiktok: "TikTok", x: "X" };
const BECAUSE = {
  cap: t("as many changes were made as may be within an hour or a day"), changed_there: t("somebody changed it there"), credentials: t("the platform did not take the token"),
  currency: t("no exchange rate into the account's currency is known"), gone: t("the campaign is not there any more"), no_effect: t("nothing came of the request; decide again"),
  no_platform: t("the registration does not say where the campaign is"), no_flight: t("the campaign has a daily budget there, and what is left of its flight or of its budget is not known"),
  no_total_budget: t("the campaign has no budget of its own there"), not_set_up: t("nothing is set up for this platform"),
  paused_there: t("a person paused it there"), rate_limited: t("the platform asks for a rest"), superseded: t("a later action asks for something else"), too_old: t("it could not be done within a day"),
  too_small: t("the amount is below the least that the platform takes"), unreachable: t("the platform does not answer"),
};

/** What is asked of the platform, by parts: what stops a spend, what lets it run, how much it may be. */
function asked(one) {
  const words = one.parts.map((part) => part.status === "paused" ? t("pause") : part.status === "running" ? t("run")
    : part.amount_micros === null ? t("budget {amount}", { amount: money(part.wished_micros, one.currency) })
    : part.is_daily ? t("budget {amount} a day", { amount: money(part.amount_micros, part.seen?.currency ?? one.currency) })
    : t("budget {amount}", { amount: money(part.amount_micros, part.seen?.currency ?? one.currency) }));
  return words.join(", ");
}

/** What became of an action on the ad platform, in a sentence. */
export function effect(one) {
  const settled = one.parts.map((part) => part.settled_at).filter(Boolean).sort().at(-1);
  const values = {
    platform: PLATFORMS[one.platform] ?? t("The ad platform"), asked: asked(one), time: settled ? time(settled) : "",
    why: BECAUSE[one.because] ?? one.detail,
  };
  switch (one.stage) {
    case "confirmed": return t("{platform}: {asked} confirmed {time}", values);
    case "sent": return t("{platform}: {asked} sent, not confirmed yet", values);
    case "refused": return t("{platform}: {asked} refused, because {why}", values);
    case "drifted": return t("{platform}: {asked} was confirmed, but {why}", values);
    default: return values.why ? t("{platform}: {asked} waits, because {why}", values) : t("{platform}: {asked} wished", values);
  }
}
