// The audit trail: decisions, alerts and actions, the newest first.

import { h } from "./dom.js";
import { action, amount, decision, eValue, exactTime, moment, number, percent } from "./format.js";

/** A list of entries; names are looked up in the store. */
export function trailList(entries, store, isWithNames) {
  if (!entries.length) return h("p", {}, "Nothing was said or done yet.");
  return h("ol.trail", { role: "list" }, ...entries.map((each) => line(each, store, isWithNames)));
}

function line(entry, store, isWithNames) {
  const card = store.cards.get(entry.campaign_id);
  const said = { decision: decisionLine, alert: alertLine, action: actionLine }[entry.kind](entry.record);
  return h("li", { "data-kind": entry.kind, "data-mode": entry.record.mode ?? null },
    h("time", { datetime: entry.at, title: exactTime(entry.at) }, moment(entry.at)),
    h("span.kind", {}, entry.kind === "action" ? entry.record.mode : entry.kind),
    h("div", {},
      isWithNames ? h("b", { dir: "auto" }, card?.name || entry.campaign_id) : null,
      h("span.what", {}, said.what),
      said.why ? h("p", { dir: "auto" }, said.why) : null,
      said.figures ? h("p.figures-of", {}, said.figures) : null));
}

const decisionLine = (record) => ({ what: `${record.by ?? "someone"}: ${decision(record)}`, why: record.reason });
const alertLine = (record) => ({ what: `${record.rule} ${record.status}`, why: null });

function actionLine(record) {
  const figures = Object.entries(record.evidence ?? {}).filter(([name]) => name !== "revision")
    .map(([name, value]) => `${wording(name)} ${figure(name, value, record.currency)}`).join(" · ");
  return { what: `${action(record)} (rule ${record.rule})`, why: record.reason, figures };
}

const WORDS = { column: "in column", watermark: "figures up to", policy: "policy" };
const wording = (name) => WORDS[name] ?? name.replace(/^(cpl|cpa|cac|roas|roi)_/, (each) => each.toUpperCase())
  .replace("probability_bad", "chance that it misses").replace("e_value", "e-value").replaceAll("_", " ");

function figure(name, value, currency) {
  if (name === "watermark" && value) return exactTime(value);
  if (typeof value !== "number") return value ?? "–";
  if (name === "spent" || name === "revenue") return amount(value, currency);
  if (name === "completeness" || name.endsWith("probability_bad")) return percent(value);
  return name.endsWith("e_value") ? eValue(value) : number(value, 4);
}
