// Figures as people read them. Knows no element.

const MICROS = 1e6;
const locale = navigator.language || "en";
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
  const digits = Math.abs(units) >= 100 ? 0 : 2;
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

/** The KPIs that a card and the details show: those in money, ratios, and ROI as a signed share. */
export const KPIS = {
  cpl: { label: "CPL", title: "cost per lead", show: amount },
  cac: { label: "CAC", title: "customer acquisition cost", show: amount },
  roas: { label: "ROAS", title: "return on ad spend", show: (value) => number(value) },
  roi_net_profit: { label: "ROI", title: "ROI by net profit", show: (value) => percent(value, true) },
  roi_incremental: { label: "ROI incremental", title: "ROI by additional revenue", show: (value) => percent(value, true) },
  roi_lead_value: { label: "ROI lead value", title: "ROI by lead value", show: (value) => percent(value, true) },
  roi_conversion_rate: { label: "ROI conversion rate", title: "ROI by conversion rate", show: (value) => percent(value, true) },
  cpc: { label: "CPC", title: "cost per click", show: amount },
  lead_rate: { label: "Lead rate", title: "leads per click", show: (value) => percent(value) },
  customer_rate: { label: "Customer rate", title: "new customers per lead", show: (value) => percent(value) },
  aov: { label: "AOV", title: "average order value", show: amount },
};

export const kpi = (name, value, currency) =>
  value === null || value === undefined ? "–" : (KPIS[name]?.show ?? ((each) => number(each)))(value, currency);

/** Beyond a thousand, an e-value only says "surely". */
export const eValue = (value) => value > 1000 ? "> 1000" : number(value);

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const dayClock = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
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

export const VERDICTS = { bad: "misses target", good: "meets target", inconclusive: "too early to say" };
export const TARGETS = { cpl: "CPL", cpa: "CPA", cac: "CAC", roas: "ROAS", roi: "ROI" };
const MARKS = { bad: "▼", good: "▲", inconclusive: "·" };

/** Evidence for one target, short: "▼ CPL misses target". */
export function evidence(one) {
  return `${MARKS[one.verdict] ?? "·"} ${TARGETS[one.target] ?? one.target} ${VERDICTS[one.verdict] ?? one.verdict}`;
}

/** A target, or an end of its interval, as its KPI is written; ``units`` of money or a ratio. */
export function targetFigure(target, units, currency) {
  if (units === null || units === undefined) return "…";
  if (target === "roi") return percent(units, true);
  return target === "roas" ? number(units) : amount(units, currency);
}

export const targetOf = (card, target) => {
  const micros = card.targets_micros?.[target];
  return micros === undefined ? null : micros / MICROS;
};

/** What the evidence for one target says, for who has never heard of e-values. */
export function plainly(card, one) {
  const [low, high] = one.interval.map((end) => targetFigure(one.target, end, card.currency));
  const goal = targetFigure(one.target, targetOf(card, one.target), card.currency);
  const range = `it is likely ${one.interval[1] === null ? `${low} or more` : `between ${low} and ${high}`}, and its target is ${goal}`;
  const name = TARGETS[one.target] ?? one.target;
  if (one.verdict === "bad") return `${name} surely misses its target: ${range}. A campaign on target hardly ever looks this bad, however often one looks.`;
  if (one.verdict === "good") return `${name} surely meets its target: ${range}.`;
  return `${name}: too early to say; ${range}. Nothing is done about it yet.`;
}

const OWNERS = {
  evidence: "the evidence", budget: "its budget", pace: "its pace", wip: "the limit of its column", registration: "its registration",
};

export function hold(one) {
  const owner = OWNERS[one.owner] ?? one.owner.replace(/^alert:/, "the alert ");
  const until = one.expires_at ? `until ${time(one.expires_at)}`
    : one.owner === "wip" ? "until there is room" : "until someone resumes it";
  return `Held by ${owner} ${until}: ${one.reason}`;
}

const PACES = { ahead: "ahead of its pace", behind: "behind its pace" };

/** Short, for the card; nothing while it is on pace. */
export const pace = (card) => PACES[card.pace?.pace] ?? "";

/** Where the spend goes, in full. */
export function projection({ pace: found, currency }) {
  return `${PACES[found.pace] ?? "on pace"}: ${money(found.projected_micros, currency)} by ${time(found.ends_at)} as projected, `
    + `${money(found.low_micros, currency)} to ${money(found.high_micros, currency)} would be on pace`;
}

/** What ad platforms are told when an action is done. */
export function consequence(record) {
  const isStop = record.verb === "pause" || (record.verb === "move" && !["test", "scale"].includes(record.column));
  const budget = record.budget_to !== null && record.budget_to !== record.budget_from
    ? ` Its budget becomes ${amount(record.budget_to, record.currency)} (now ${amount(record.budget_from, record.currency)}).` : "";
  if (record.verb === "set_budget") return `Ad platforms are told the new budget.${budget}`;
  if (!isStop) return `Ad platforms are told to run it.${budget}`;
  const back = record.verb !== "pause" ? "" : record.hold?.expires_at ? " It returns to test by itself when the hold ends."
    : record.hold?.owner === "wip" ? " It returns when there is room." : " It returns only when someone resumes it.";
  return `Ad platforms are told to stop it; money spent so far is spent.${back}${budget}`;
}

/** What an action does, in words. */
export function action(record) {
  const from = amount(record.budget_from, record.currency), to = amount(record.budget_to, record.currency);
  switch (record.verb) {
    case "pause": return "Pause";
    case "resume": return record.column ? `Resume in ${record.column}` : "Resume";
    case "set_budget": return `Budget ${from} → ${to}`;
    case "move": return record.budget_to === record.budget_from || record.budget_to === null
      ? `Move to ${record.column}` : `Move to ${record.column}, budget ${from} → ${to}`;
    default: return record.verb;
  }
}

/** What an operator said, in words. */
export function decision(record) {
  switch (record.verb) {
    case "approve": return "Approve the proposal";
    case "reject": return "Reject the proposal";
    case "move": return `Move to ${record.column}`;
    case "set_budget": return `Set the budget to ${record.budget}`;
    case "pause": return "Pause";
    case "resume": return "Resume";
    default: return record.verb;
  }
}
