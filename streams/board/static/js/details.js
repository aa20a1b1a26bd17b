// One campaign in full: evidence, figures of every window, what may be done, what was said and done.

import { api } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { eValue, exactTime, hold, KPIS, kpi, money, percent, plainly, projection, TARGETS, targetFigure, targetOf, time, VERDICTS } from "./format.js";
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
    ["Spent", card.budget_micros > 0 ? `${money(card.spent_micros, card.currency)} of ${money(card.budget_micros, card.currency)}`
      : `${money(card.spent_micros, card.currency)}; no budget set`],
    ["Mode", card.mode], ["As of", exactTime(card.updated_at)],
  ];
  if (card.cards_total) rows.splice(5, 0, ["Cards", `${card.cards_done} of ${card.cards_total}, ${money(card.card_micros, card.currency)} each`]);
  if (card.pace) rows.push(["Pace", projection(card)]);
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
  if (!all.length) return h("section", {}, h("h3", {}, "Evidence"), h("p", {}, nothing(card)));
  const show = (one, value) => targetFigure(one.target, value, card.currency);
  return h("section", {}, h("h3", {}, "Evidence"), ...all.map((one) => h("p", {}, plainly(card, one))), table(
    ["KPI", "Target", "Verdict", "Chance that it misses", "Interval", "E-value", "Complete"],
    all.map((one) => [TARGETS[one.target] ?? one.target, show(one, targetOf(card, one.target)), VERDICTS[one.verdict] ?? one.verdict,
      percent(one.probability_bad), `${show(one, one.interval[0])} – ${show(one, one.interval[1])}`, eValue(one.e_value), percent(one.completeness)])),
    h("p.note", {}, "The e-value says how strongly the figures speak against the target, and may be looked at at any time: a campaign on target ever comes to 20 in at most 1 case of 20, to 50 in 1 of 50. Where it must come to before something is done is set by the policy (alpha). Complete: the share of conversions that have usually arrived by now; spend counts only by that share."));
}

function nothing(card) {
  const named = Object.keys(card.targets_micros ?? {});
  if (!named.length) return "This campaign is registered without targets, so there is nothing to test: it is neither paused nor grown for its results.";
  return `Nothing can be said yet about ${named.map((each) => TARGETS[each] ?? each).join(" and ")}: results of what was spent so far are still to come, or too few orders have.`;
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
