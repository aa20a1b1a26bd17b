// The audit trail: decisions, alerts and actions, the newest first.

import { h } from "./dom.js";
import { commentText } from "./comments.js";
import { action, amount, columnName, decision, deed, eValue, exactTime, modeName, moment, number, percent, TARGETS, VERDICTS } from "./format.js";
import { t } from "./i18n.js";
import { reasonText } from "./reasons.js";

/** A list of entries; names are looked up in the store. */
export function trailList(entries, store, isWithNames) {
  if (!entries.length) return h("p", {}, t("Nothing was said or done yet."));
  return h("ol.trail", { role: "list" }, ...entries.map((each) => line(each, store, isWithNames)));
}

const KINDS = { comment: t("comment"), decision: t("decision"), alert: t("alert"), action: t("action") };

function line(entry, store, isWithNames) {
  const card = store.cards.get(entry.campaign_id);
  const kind = entry.record.verb === "comment" && entry.kind === "decision" ? "comment" : entry.kind;
  const said = { comment: commentLine, decision: decisionLine, alert: alertLine, action: actionLine }[kind](entry.record, store);
  return h("li", { "data-kind": kind, "data-mode": entry.record.mode ?? null },
    h("time", { datetime: entry.at, title: exactTime(entry.at) }, moment(entry.at)),
    h("span.kind", {}, kind === "action" ? modeName(entry.record.mode) : KINDS[kind]),
    h("div", {},
      isWithNames ? h("b", { dir: "auto" }, card?.name || entry.campaign_id) : null,
      h("span.what", {}, said.what),
      said.node ?? null,
      said.why ? h("p", { dir: "auto" }, said.why) : null,
      said.figures ? h("p.figures-of", {}, said.figures) : null));
}

const commentLine = (record, store) => ({ what: record.by ?? t("someone"), node: commentText(record.reason ?? "", store.people) });
const decisionLine = (record, store) => ({
  what: t("{subject}: {text}", { subject: record.by ?? t("someone"), text: decision(record, store.cards.get(record.campaign_id)?.currency) }), why: record.reason,
});
const alertLine = (record) => ({ what: record.status === "firing" ? t("The alert {rule} fires", record) : t("The alert {rule} is over", record), why: null });

function actionLine(record) {
  const figures = Object.entries(record.evidence ?? {}).filter(([name]) => name !== "revision")
    .map(([name, value]) => `${wording(name)} ${figure(name, value, record.currency)}`).join(" · ");
  return { what: t("{action} (rule {rule})", { action: record.mode === "enforce" ? deed(record) : action(record), rule: record.rule }), why: reasonText(record.reason), figures };
}

const WORDS = {
  column: t("in column"), watermark: t("figures up to"), policy: t("policy"), spent: t("spent"), revenue: t("revenue"), leads: t("leads"), orders: t("orders"),
  e_value_needed: t("e-value needed"), alpha: t("level (alpha)"), alpha_of: t("errors counted over"),
};
const OF_TARGET = {
  probability_bad: t("chance that it misses"), e_value: t("e-value"), completeness: t("complete"), low: t("from"), high: t("to"), target: t("target"), verdict: t("verdict"), scatter: t("scatter"), look: t("look"), level: t("level of the look"),
};
const COUNTED_OVER = { board: t("the whole board"), campaign: t("each campaign") };

/** A figure's name: "e_value" and "cpl_e_value" alike are known, others stand as they are. */
function wording(name) {
  const [, target, rest] = /^(?:(cpl|cpa|cac|roas|roi|clv_to_cac)_)?(.*)$/.exec(name);
  const shown = OF_TARGET[rest] ?? WORDS[rest] ?? TARGETS[rest] ?? rest.replaceAll("_", " ");
  return target ? `${TARGETS[target]} ${shown}` : shown;
}

function figure(name, value, currency) {
  if (name === "watermark" && value) return exactTime(value);
  if (name === "column") return columnName(value);
  if (name.endsWith("_verdict")) return VERDICTS[value] ?? value;
  if (name === "alpha_of") return COUNTED_OVER[value] ?? value;
  if (value !== null && ["spent", "revenue"].includes(name)) return amount(Number(value), currency);
  if (typeof value !== "number") return value ?? "–";
  if (name.endsWith("completeness") || name.endsWith("probability_bad")) return percent(value);
  return /e_value(_needed)?$/.test(name) ? eValue(value) : number(value, 4);
}
