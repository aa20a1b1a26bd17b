// One campaign in full: evidence, figures of every window, what may be done, what was said and done.

import { api } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { amount, eValue, exactTime, hold, KPIS, kpi, money, number, percent, TARGETS, time, VERDICTS } from "./format.js";
import { draw } from "./spark.js";
import { nameOf } from "./store.js";
import { trailList } from "./trail.js";

/** Opens the details of a campaign. */
export async function openDetails(store, view, id, decideOn) {
  const card = store.cards.get(id);
  if (!card) return;
  const dialog = byId("details"), body = dialog.querySelector(".body");
  byId("details-title").textContent = nameOf(card);
  const history = h("section", {}, h("h3", {}, "History"), h("p", {}, "Reading …"));
  body.replaceChildren(facts(card), buttons(card, dialog, decideOn), course(card), evidence(card), figures(card), history);
  dialog.onclose = () => view.parts.has(id) && view.focus(id);
  dialog.showModal();
  try {
    const { trail } = await api.campaign(id);
    history.lastElementChild.replaceWith(trailList(trail, store, false));
  } catch (error) {
    history.lastElementChild.textContent = error.message;
  }
}

function facts(card) {
  const rows = [
    ["Campaign", card.campaign_id], ["Channel", card.channel ?? "–"], ["Status", card.status ?? "–"], ["Column", card.column],
    ["Spent", `${money(card.spent_micros, card.currency)} of ${money(card.budget_micros, card.currency)}`],
    ["Cards", `${card.cards_done} of ${card.cards_total}, ${money(card.card_micros, card.currency)} each`],
    ["Mode", card.mode], ["As of", exactTime(card.updated_at)],
  ];
  if (card.hold) rows.push(["Hold", hold(card.hold)]);
  if (card.reason) rows.push(["Last said", card.reason]);
  return h("dl.facts", {}, ...rows.flatMap(([term, text]) => [h("dt", {}, term), h("dd", { dir: "auto" }, text)]));
}

function buttons(card, dialog, decideOn) {
  const verbs = [["move", "Move …"], card.hold || card.column === "hold" ? ["resume", "Resume …"] : ["pause", "Pause …"], ["set_budget", "Set budget …"]];
  if (card.proposal) verbs.unshift(["approve", "Approve …"], ["reject", "Reject …"]);
  return h("menu.verbs", {}, ...verbs.map(([verb, text]) => h("button", {
    type: "button", class: verb === "approve" ? "primary" : null,
    onclick: () => { dialog.onclose = null; dialog.close(); decideOn(card.campaign_id, { verb }); },
  }, text)));
}

function course(card) {
  const picture = svg("svg", { class: "spark large", viewBox: "0 0 96 34", preserveAspectRatio: "none", role: "img" });
  draw(picture, card.sparkline, card.currency);
  const points = card.sparkline;
  return h("section", {}, h("h3", {}, "Course"), picture,
    h("p.axis", {}, points.length ? `From ${time(points[0].t)} to ${time(points[points.length - 1].t)}; bars: spend per hour, line: ROI by net profit.` : "No hours yet."));
}

function evidence(card) {
  const all = Object.values(card.evidence);
  if (!all.length) return h("section", {}, h("h3", {}, "Evidence"), h("p", {}, "This campaign has no targets, so there is nothing to test."));
  const show = (one, value) => value === null ? "…" : one.target === "roi" ? percent(value, true) : one.target === "roas" ? number(value) : amount(value, card.currency);
  return h("section", {}, h("h3", {}, "Evidence"), table(
    ["Target", "Verdict", "Chance that it misses", "Interval", "E-value", "Complete"],
    all.map((one) => [TARGETS[one.target] ?? one.target, VERDICTS[one.verdict] ?? one.verdict, percent(one.probability_bad),
      `${show(one, one.interval[0])} – ${show(one, one.interval[1])}`, eValue(one.e_value), percent(one.completeness)])),
    h("p.note", {}, "The e-value may be looked at at any time; from 20 on, the target is missed with an error of at most 5 %. Complete: the share of conversions that have usually arrived by now."));
}

function figures(card) {
  const windows = Object.keys(card.kpis), names = Object.keys(KPIS).filter((name) => windows.some((each) => card.kpis[each][name] != null));
  if (!names.length) return h("section", {}, h("h3", {}, "Figures"), h("p", {}, "No figures yet."));
  return h("section", {}, h("h3", {}, "Figures"), table(["KPI", ...windows],
    names.map((name) => [KPIS[name].label, ...windows.map((each) => kpi(name, card.kpis[each][name], card.currency))])));
}

/** A table; the first cell of each row is its heading. */
export function table(heads, rows) {
  return h("div.scroll", { tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, ...heads.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, ...rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row", dir: "auto" }, first), ...rest.map((each) => h("td", { dir: "auto" }, each)))))));
}
