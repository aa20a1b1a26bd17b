// One card: made once, and brought up to date where a figure differs.

import { byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { action, columnName, effect as effectText, evidence, hold, known, kpi, KPIS, leaning, money, pace, shortened, targetFigure, targetOf, time, why } from "./format.js";
import { n, t } from "./i18n.js";
import { reasonText } from "./reasons.js";
import { draw } from "./spark.js";
import { nameOf, PATIENCE_MS } from "./store.js";

const FIGURES = ["cpl", "roas", "roi_net_profit"];

/** The list item of a campaign; its parts are found once. */
export function makeCard(id) {
  const item = byId("card-template").content.firstElementChild.cloneNode(true);
  const article = item.firstElementChild;
  const find = (selector) => article.querySelector(selector);
  article.dataset.campaign = id;
  const figures = new Map();
  for (const name of FIGURES) {
    const value = h("dd"), heading = h("dt");
    find("dl").append(h("div", { title: KPIS[name].title }, heading, value));
    figures.set(name, { value, heading });
  }
  return {
    item, article, figures,
    name: find("h3"), channel: find(".channel"), status: find(".status"), uncertain: find(".uncertain"),
    budget: find(".budget p"), bar: find(".bar"), fill: find(".bar i"),
    spark: find(".spark"), verdicts: find(".verdicts"), hold: find(".hold"), reason: find(".reason"), effect: find(".effect"),
    proposal: find(".proposal"), proposed: find(".proposal p"),
    pick: find(".pick"), approve: find(".approve"), reject: find(".reject"), move: find(".move"), pending: find(".pending"),
  };
}

/** Shows a card as it is now. */
export function updateCard(parts, card, window, pending, effect) {
  const name = nameOf(card);
  setText(parts.name, shortened(name));
  setAttribute(parts.pick, "aria-label", t("Select {name}", { name }));
  setAttribute(parts.name, "title", name === card.campaign_id ? name : `${name} (${card.campaign_id})`);
  setAttribute(parts.article, "aria-label", [label(card, window), effect ? effectText(effect) : ""].filter(Boolean).join(", "));
  setText(parts.channel, card.channel ?? t("no channel"));
  setText(parts.status, card.status ?? "");
  setHidden(parts.status, !card.status);
  setHidden(parts.uncertain, !card.has_uncertain_amounts);
  setText(parts.uncertain, card.has_uncertain_amounts ? t("amounts without a rate") : "");
  setAttribute(parts.uncertain, "title", t("Amounts of this campaign are in a currency without a rate, or the rate came late; without one they count as 0. Add the rate to fx-rates."));
  updateBudget(parts, card);
  const figures = card.kpis[window] ?? {};
  for (const [key, { value, heading }] of parts.figures) {
    setText(value, kpi(key, figures[key], card.currency));
    setText(heading, withTarget(card, key));
  }
  draw(parts.spark, card.sparkline, card.currency);
  updateVerdicts(parts, card);
  setHidden(parts.hold, !card.hold);
  setText(parts.hold, card.hold ? hold(card.hold) : "");
  setText(parts.reason, card.reason ? t("Last said: {text}", { text: reasonText(card.reason) }) : "");
  setHidden(parts.reason, !card.reason || Boolean(card.proposal) || card.hold?.reason === card.reason || /\be-value\b/.test(card.reason));
  setHidden(parts.effect, !effect);
  setText(parts.effect, effect ? effectText(effect) : "");
  setAttribute(parts.effect, "data-stage", effect?.stage ?? "");
  updateProposal(parts, card, name);
  updatePending(parts, pending);
}

function updateBudget(parts, card) {
  const share = card.budget_micros > 0 ? Math.min(1, card.spent_micros / card.budget_micros) : 0;
  const width = `${(share * 100).toFixed(1)}%`;
  if (parts.fill.style.width !== width) parts.fill.style.width = width;
  // One notch per card, as long as notches can be told apart.
  const notches = card.cards_total > 1 && card.cards_total <= 24 ? `${(100 / card.cards_total).toFixed(3)}%` : "100%";
  if (parts.bar.style.getPropertyValue("--notch") !== notches) parts.bar.style.setProperty("--notch", notches);
  const values = { spent: money(card.spent_micros, card.currency), budget: money(card.budget_micros, card.currency) };
  setText(parts.budget, card.budget_micros > 0
    ? [t("{spent} of {budget}", values), cards(card), pace(card), known(card)].filter(Boolean).join(" · ")
    : [t("{spent} spent · no budget set", values), known(card)].filter(Boolean).join(" · "));
}

/** How much of the budget has been given out; a budget of very many cards says the size of one. */
function cards(card) {
  if (card.cards_total <= 24) return n("{done} of {count} card given out", "{done} of {count} cards given out", card.cards_total, { done: card.cards_done });
  return t("released in steps of {amount}", { amount: money(card.card_micros, card.currency) });
}

/** A KPI's name with what it is measured by: "CPL ≤ 5.00". */
function withTarget(card, key) {
  const target = key === "roi_net_profit" ? "roi" : key, goal = targetOf(card, target);
  return goal === null ? KPIS[key].label : `${KPIS[key].label} ${target === "cpl" ? "≤" : "≥"} ${targetFigure(target, goal, card.currency)}`;
}

function updateVerdicts(parts, card) {
  const all = Object.values(card.evidence);
  while (parts.verdicts.children.length > all.length) parts.verdicts.lastElementChild.remove();
  all.forEach((one, at) => {
    const node = parts.verdicts.children[at] ?? parts.verdicts.appendChild(h("li"));
    setText(node, evidence(card, one));
    setAttribute(node, "data-verdict", one.verdict);
    setAttribute(node, "data-leaning", leaning(card, one) ?? "");
  });
  const worst = all.some((each) => each.verdict === "bad") ? "bad"
    : all.some((each) => each.verdict === "good") ? "good" : "inconclusive";
  setAttribute(parts.article, "data-verdict", worst);
}

function updateProposal(parts, card, name) {
  setHidden(parts.proposal, !card.proposal);
  if (!card.proposal) return setText(parts.proposed, "");
  setText(parts.proposed, `${proposed(card)}. ${why(card, card.proposal).replace(/\.$/, "")}`
    + (card.proposed_until ? ` ${t("Lapses {time}.", { time: time(card.proposed_until) })}` : ""));
  setAttribute(parts.approve, "aria-label", t("Approve for {name}", { name }));
  setAttribute(parts.reject, "aria-label", t("Reject for {name}", { name }));
}

/** Under observe nobody waits for an answer. */
const proposed = ({ proposal }) => proposal.mode === "observe" ? t("Would do (observe): {text}", { text: action(proposal) }) : t("Proposed: {text}", { text: action(proposal) });

function updatePending(parts, pending) {
  setHidden(parts.pending, !pending);
  if (!pending) return setText(parts.pending, "");
  const isLate = Date.now() - pending.at > PATIENCE_MS;
  return setText(parts.pending, isLate
    ? t("Sent: {text}. No answer from the controller yet; is a worker running?", pending)
    : t("Sent: {text}. Waiting for the controller …", pending));
}

/** A card in a sentence, for who hears the page. */
function label(card, window) {
  const parts = [nameOf(card), card.channel ?? "", t("column {column}", { column: columnName(card.column) }),
    t("{spent} of {budget} spent", { spent: money(card.spent_micros, card.currency), budget: money(card.budget_micros, card.currency) })];
  const figures = card.kpis[window] ?? {};
  for (const key of FIGURES) if (figures[key] != null) parts.push(`${KPIS[key].label} ${kpi(key, figures[key], card.currency)}`);
  for (const one of Object.values(card.evidence)) parts.push(evidence(card, one).slice(2));
  if (pace(card)) parts.push(pace(card));
  if (card.has_uncertain_amounts) parts.push(t("amounts without a rate"));
  if (card.hold) parts.push(hold(card.hold));
  if (card.proposal) parts.push(proposed(card));
  return parts.filter(Boolean).join(", ");
}
