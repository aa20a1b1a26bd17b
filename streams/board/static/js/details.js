// One campaign in full, under an address of its own: money, course, evidence, figures, models, what may be done, what was said and done.

import { api, Newest } from "./api.js";
import { commentForm } from "./comments.js";
import { byId, h, svg } from "./dom.js";
import { columnName, effect, eValue, exactTime, hold, known, KPIS, kpi, modeName, money, percent, plainly, projection, TARGETS, targetFigure, targetOf, timeInWords, verdict } from "./format.js";
import { t } from "./i18n.js";
import { moneyPicture, scalePicture } from "./pictures.js";
import { reasonText } from "./reasons.js";
import { draw } from "./spark.js";
import { nameOf } from "./store.js";
import { trailList } from "./trail.js";

const newest = new Newest();

/**
 * Opens the details of a campaign.
 * @param {Function} onClose called when the reader closes it, not when a decision takes its place
 */
export async function openDetails(store, id, decideOn, onClose) {
  const card = store.cards.get(id);
  if (!card) return;
  const dialog = byId("details"), body = dialog.querySelector(".body");
  byId("details-title").textContent = nameOf(card);
  const history = h("section", {}, h("h3", {}, t("History")), commentForm(id, store.people), h("p", {}, t("Reading …")));
  shown = null;
  const menu = buttons(card, decideOn), models = h("section", {}, h("h3", {}, t("By attribution model")), h("p", {}, t("Reading …")));
  body.replaceChildren(...[facts(card, store.effects.get(id)), menu, purse(card), course(card), evidence(card), figures(card), models, history].filter(Boolean));
  dialog.onclose = onClose;
  if (!dialog.open) dialog.showModal();
  body.scrollTop = 0;
  try {
    const found = await newest.of(api.campaign(id));
    if (found === null) return;
    shown = { id, entries: found.trail, history };
    showHistory(store);
    models.lastElementChild.replaceWith(byModel(card, found.by_model));
    if (found.undo && !found.undo.refused) menu.insertBefore(undoButton(card, found, decideOn), menu.querySelector(".copy"));
  } catch (error) {
    for (const section of [history, models]) section.lastElementChild.textContent = error.message;
  }
}

/** The campaign that is open, with its history; null until that was read. */
let shown = null;

function showHistory(store) {
  shown.history.lastElementChild.replaceWith(trailList(shown.entries, store, false));
}

/** Takes what was just said or done into the history that is open. */
export function tellDetails(news, store) {
  const mine = news.filter((each) => each.campaign_id === shown?.id && !shown.entries.some((known) => known.kind === each.kind && known.id === each.id));
  if (!mine.length) return;
  shown.entries = [...[...mine].reverse(), ...shown.entries];
  showHistory(store);
}

function facts(card, found) {
  const values = { spent: money(card.spent_micros, card.currency), budget: money(card.budget_micros, card.currency) };
  const rows = [
    [t("Campaign"), card.campaign_id], [t("Channel"), card.channel ?? "–"], [t("Status"), card.status ?? "–"], [t("Column"), columnName(card.column)],
    [t("Spent"), card.budget_micros > 0 ? t("{spent} of {budget}", values) : t("{spent}; no budget set", values)],
    [t("Mode"), modeName(card.mode)], [t("Card as of"), exactTime(card.updated_at)],
  ];
  if (card.cards_total) {
    rows.splice(5, 0, [t("Cards"), t("{done} of {all}, {amount} each", { done: card.cards_done, all: card.cards_total, amount: money(card.card_micros, card.currency) })]);
  }
  if (card.hold) rows.push([t("Hold"), hold(card.hold)]);
  if (card.reason) rows.push([t("Last said"), reasonText(card.reason)]);
  if (found) rows.push([t("On the ad platform"), effect(found)]);
  return h("dl.facts", {}, ...rows.flatMap(([term, text]) => [h("dt", {}, term), h("dd", { dir: "auto" }, text)]));
}

function buttons(card, decideOn) {
  const verbs = [
    ["move", t("Move …")], card.hold || card.column === "hold" ? ["resume", t("Resume …")] : ["pause", t("Pause …")], ["set_budget", t("Set budget …")],
  ];
  if (card.proposal) verbs.unshift(["approve", t("Approve …")], ["reject", t("Reject …")]);
  const copied = h("span", { role: "status" });
  const copy = h("button.copy", { type: "button", onclick: async () => {
    await navigator.clipboard?.writeText(location.href).catch(() => null);
    copied.textContent = t("The address of this page is copied.");
  } }, t("Copy address"));
  return h("menu.verbs", {}, ...verbs.map(([verb, text]) => h("button", {
    type: "button", class: verb === "approve" ? "primary deciding" : "deciding",
    onclick: () => decideOn(card.campaign_id, { verb }),
  }, text)), copy, copied);
}

function undoButton(card, { undo, trail }, decideOn) {
  const said = trail.find((each) => each.kind === "decision" && each.id === undo.decision_id).record;
  return h("button.deciding", { type: "button", onclick: () => decideOn(card.campaign_id, { verb: "undo", undo, said }) }, t("Undo …"));
}

function purse(card) {
  if (!card.budget_micros) return null;
  return h("section", {}, h("h3", {}, t("Money")), moneyPicture(card), card.pace ? h("p.axis", {}, projection(card)) : null, known(card) ? h("p.axis", {}, known(card)) : null);
}

function course(card) {
  const picture = svg("svg", { class: "spark large", viewBox: "0 0 96 34", preserveAspectRatio: "none", role: "img" });
  draw(picture, card.sparkline, card.currency);
  const points = card.sparkline;
  return h("section", {}, h("h3", {}, t("Course")), picture, h("p.axis", {}, points.length ? courseInWords(points, card.currency) : t("No hours yet.")));
}

/** What bars and line of the course are, with their highest and lowest values: the picture has no axis. */
function courseInWords(points, currency) {
  const rois = points.map((each) => each.roi).filter((each) => each !== null), spend = Math.max(0, ...points.map((each) => each.spend_micros ?? 0));
  const bars = t("From {start} to {end}. Bars: spend per hour, at most {amount}.", { start: timeInWords(points[0].t), end: timeInWords(points[points.length - 1].t), amount: money(spend, currency) });
  if (rois.length < 2) return bars;
  const line = t("Line: ROI by net profit, from {low} to {high}; dotted: ROI of 0.", { low: percent(Math.min(...rois), true), high: percent(Math.max(...rois), true) });
  return `${bars} ${line}`;
}

function evidence(card) {
  const all = Object.values(card.evidence), heading = h("h3", {}, t("Evidence"));
  if (!all.length) return h("section", {}, heading, h("p", {}, nothing(card)));
  const show = (one, value) => targetFigure(one.target, value, card.currency);
  return h("section", {}, heading, ...all.flatMap((one) => [scalePicture(card, one), h("p", {}, plainly(card, one))]), h("details", {},
    h("summary", {}, t("The figures of the test")), table(
      [t("KPI"), t("Target"), t("Verdict"), t("Chance that it misses"), t("Interval"), t("E-value"), t("Complete")],
      all.map((one) => [TARGETS[one.target] ?? one.target, show(one, targetOf(card, one.target)), verdict(card, one),
        percent(one.probability_bad), `${show(one, one.interval[0])} – ${show(one, one.interval[1])}`, eValue(one.e_value), percent(one.completeness)])),
    h("p.note", {}, t("The e-value says how strongly the figures speak against the target, and may be looked at at any time: a campaign on target ever comes to 20 in at most 1 case of 20, to 50 in 1 of 50. Where it must come to before something is done is set by the policy (alpha). Complete: the share of conversions that have usually arrived by now; spend counts only by that share."))));
}

function nothing(card) {
  const named = Object.keys(card.targets_micros ?? {});
  if (!named.length) return t("This campaign is registered without targets, so there is nothing to test: it is neither paused nor grown for its results.");
  const targets = new Intl.ListFormat(document.documentElement.lang).format(named.map((each) => TARGETS[each] ?? each));
  return t("Nothing can be said yet about {targets}: results of what was spent so far are still to come, or too few orders have.", { targets });
}

function figures(card) {
  const windows = Object.keys(card.kpis), names = Object.keys(KPIS).filter((name) => windows.some((each) => card.kpis[each][name] != null));
  if (!names.length) return h("section", {}, h("h3", {}, t("Figures")), h("p", {}, t("No figures yet.")));
  return h("section", {}, h("h3", {}, t("Figures")), table([t("KPI"), ...windows],
    names.map((name) => [explained(name), ...windows.map((each) => kpi(name, card.kpis[each][name], card.currency))])));
}

/** A KPI's name; a tap says what it is and how it is made. */
function explained(name) {
  const { label, title, formula } = KPIS[name];
  return h("details.formula", {}, h("summary", {}, label), h("p", {}, `${title} = ${formula}`));
}

const COMPARED = ["leads", "orders", "revenue_micros"], OF_WINDOW = "24h";

/** What each attribution model gives the campaign: where models differ much, a figure depends on the question. */
function byModel(card, found) {
  const rows = Object.entries(found ?? {}).filter(([, windows]) => windows[OF_WINDOW]);
  if (rows.length < 2) return h("p", {}, t("Only the model “declared” is computed (setting ATTRIBUTION_MODELS)."));
  const cell = (name, value) => value === undefined ? "–" : name.endsWith("_micros") ? money(value, card.currency) : String(Math.round(value * 100) / 100);
  return table([t("Model, last 24 hours"), t("Leads"), t("Orders"), t("Revenue"), t("CPL"), t("ROAS"), t("ROI")],
    rows.map(([model, windows]) => {
      const { sums, kpis } = windows[OF_WINDOW];
      return [model, ...COMPARED.map((name) => cell(name, sums[name])), ...["cpl", "roas", "roi_net_profit"].map((name) => kpi(name, kpis[name], card.currency))];
    }));
}

/** A table; the first cell of each row is its heading, and a row of sums may end it. */
export function table(heads, rows, sums = null) {
  return h("div.scroll", { tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, ...heads.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, ...rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row", dir: "auto" }, first), ...rest.map((each) => h("td", { dir: "auto" }, each))))),
    sums ? h("tfoot", {}, h("tr", {}, ...sums.map((each, at) => at ? h("td", {}, each) : h("th", { scope: "row" }, each)))) : null));
}
