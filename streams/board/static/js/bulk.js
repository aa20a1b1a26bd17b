// One decision on several cards: a preview of what changes with its sums, one confirmation, and what became of each.

import { api } from "./api.js";
import { table } from "./details.js";
import { announce, byId, h, setHidden } from "./dom.js";
import { action, columnName, decision as words, money, timeInWords } from "./format.js";
import { n, t } from "./i18n.js";
import { newId } from "./ids.js";
import { lastDecisions, overtaken } from "./overtaken.js";
import { COLUMNS, nameOf, RUNS } from "./store.js";
import { dailySpend } from "./today.js";

const TITLES = {
  move: (count) => n("Move {count} campaign", "Move {count} campaigns", count), pause: (count) => n("Pause {count} campaign", "Pause {count} campaigns", count),
  resume: (count) => n("Resume {count} campaign", "Resume {count} campaigns", count), approve: (count) => n("Approve for {count} campaign", "Approve for {count} campaigns", count),
  reject: (count) => n("Reject for {count} campaign", "Reject for {count} campaigns", count),
};

/** Why a decision would say nothing to a card; empty where it says something. */
function pointless(card, verb, column) {
  if (["approve", "reject"].includes(verb)) return card.proposal ? "" : t("nothing is proposed");
  if (verb === "move") return card.column === column ? t("it stands there already") : "";
  const isHeld = card.column === "hold";
  if (verb === "pause") return isHeld ? t("it is held already") : "";
  return isHeld ? "" : t("it is not held");
}

/** The column of a card after a decision; null where the card stays. */
function columnAfter(card, verb, column) {
  if (verb === "move") return column;
  if (verb === "pause") return "hold";
  if (verb === "resume") return "test";
  return verb === "approve" ? card.proposal.column ?? (card.proposal.verb === "pause" ? "hold" : null) : null;
}

/**
 * What a decision on several cards would change.
 * @param {Array<object>} cards
 * @param {{verb: string, column: ?string}} asked
 * @param {number} nowMs
 * @returns {{changed: Array, left: Array, sums: {budget: number, spent: number, stops: number, runs: number}, arrivals: Map}} money in micros;
 *   `stops` is the daily spend that ends, `runs` the budget that may be spent again
 */
export function preview(cards, { verb, column }, nowMs) {
  const changed = [], left = [], arrivals = new Map(), sums = { budget: 0, spent: 0, stops: 0, runs: 0 };
  for (const card of cards) {
    const why = pointless(card, verb, column);
    if (why) {
      left.push({ card, why });
      continue;
    }
    const to = columnAfter(card, verb, column), daily = dailySpend(card, nowMs);
    changed.push({ card, to, daily });
    sums.budget += card.budget_micros;
    sums.spent += card.spent_micros;
    if (to && to !== card.column) arrivals.set(to, (arrivals.get(to) ?? 0) + 1);
    if (to && RUNS.has(card.column) && !RUNS.has(to)) sums.stops += daily;
    if (to && !RUNS.has(card.column) && RUNS.has(to)) sums.runs += Math.max(0, card.budget_micros - card.spent_micros);
  }
  return { changed, left, sums, arrivals };
}

/**
 * Asks for one decision on several cards, shows what it would change, and sends it.
 * @param {import("./store.js").Store} store
 * @param {Array<string>} ids campaigns
 * @param {string} verb
 * @param {Function} onSent called when the decisions were sent
 */
export function decideOnMany(store, ids, verb, onSent) {
  const dialog = byId("bulk"), form = dialog.querySelector("form"), fields = form.elements;
  const cards = ids.map((id) => store.cards.get(id)).filter(Boolean), decisionIds = new Map(ids.map((id) => [id, newId()]));
  dialog.outcome = null;
  form.reset();
  setHidden(form, false);
  setHidden(dialog.querySelector(".outcome"), true);
  dialog.querySelector(".error").textContent = "";
  setHidden(form.querySelector(".column-field"), verb !== "move");
  fields.column.replaceChildren(...COLUMNS.map((each) => h("option", { value: each }, columnName(each))));
  const isHold = () => verb === "pause" || (verb === "move" && fields.column.value === "hold");
  const asked = () => ({ verb, column: verb === "move" ? fields.column.value : null });
  const seen = lastDecisions(store, ids);
  let shown = null;
  const show = () => {
    setHidden(form.querySelector(".until-field"), !isHold());
    shown = preview(cards, asked(), Date.now());
    byId("bulk-title").textContent = TITLES[verb](shown.changed.length);
    dialog.querySelector(".preview").replaceChildren(...previewOf(store, shown, verb));
    form.querySelector(".primary").disabled = !shown.changed.length;
  };
  fields.column.onchange = show;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const until = isHold() && fields.until.value ? { until: new Date(fields.until.value).toISOString() } : {};
    const known = await seen, last = (id) => known.has(id) ? { last_decision_id: known.get(id).id } : {};
    const decisions = shown.changed.map(({ card }) => ({
      campaign_id: card.campaign_id, verb, reason: fields.reason.value.trim(), decision_id: decisionIds.get(card.campaign_id), column_from: card.column, ...last(card.campaign_id), ...until,
      ...(verb === "move" ? { column: fields.column.value } : {}), ...(["approve", "reject"].includes(verb) ? { action_id: card.proposal.action_id } : {}),
    }));
    await send(store, dialog, decisions, onSent);
  };
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  show();
  dialog.showModal();
  (verb === "move" ? fields.column : fields.reason).focus();
}

function previewOf(store, { changed, left, sums, arrivals }, verb) {
  if (!changed.length) return [h("p", {}, t("Nothing would change.")), ...leftOut(left)];
  const currency = changed[0].card.currency, isObserved = changed.some(({ card }) => card.mode === "observe");
  const rows = changed.map(({ card, to, daily }) => [nameOf(card), step(card, to, verb), money(card.budget_micros, currency), money(card.spent_micros, currency), money(daily, currency)]);
  const sum = [t("Sum"), n("{count} campaign", "{count} campaigns", changed.length), money(sums.budget, currency), money(sums.spent, currency),
    money(changed.reduce((total, each) => total + each.daily, 0), currency)];
  const texts = [
    sums.stops ? t("About {amount} of spend a day ends.", { amount: money(sums.stops, currency) }) : "",
    sums.runs ? t("{amount} of budget may be spent again.", { amount: money(sums.runs, currency) }) : "",
    ...[...arrivals].map(([column, count]) => room(store, column, count)),
    isObserved ? t("Mode observe: no ad platform is told to obey it.") : t("Each campaign goes through the same guards as the rules; those that a guard refuses are named here."),
  ].filter(Boolean);
  return [table([t("Campaign"), t("What changes"), t("Budget"), t("Spent"), t("Last 24 hours")], rows, sum), ...texts.map((text) => h("p", {}, text)), ...leftOut(left)];
}

function step(card, to, verb) {
  if (verb === "approve") return action(card.proposal);
  if (verb === "reject") return t("Reject: {text}", { text: action(card.proposal) });
  return `${columnName(card.column)} → ${columnName(to)}`;
}

/** Whether a column has room for what would come. */
function room(store, column, count) {
  const { count: now, limit_campaigns: most } = store.columns[column] ?? {};
  if (most === null || most === undefined) return "";
  const values = { column: columnName(column), count: (now ?? 0) + count, most };
  return (now ?? 0) + count > most ? t("{column} would hold {count}, and has room for {most}: the guards refuse what does not fit.", values)
    : t("{column} would hold {count}, and has room for {most}.", values);
}

const leftOut = (left) => left.length ? [h("p", {}, t("Left out:")), h("ul.left-out", {}, ...left.map(({ card, why }) => h("li", { dir: "auto" }, t("{text}: {name}", { text: nameOf(card), name: why }))))] : [];

async function send(store, dialog, decisions, onSent) {
  const button = dialog.querySelector("form .primary"), complaint = dialog.querySelector(".error");
  button.disabled = true;
  complaint.textContent = "";
  try {
    const { accepted, refused } = await api.decideOnMany(decisions);
    const byCampaign = new Map(decisions.map((each) => [each.campaign_id, each]));
    for (const { campaign_id: id, decision_id: decisionId } of accepted) store.sent(id, decisionId, words(byCampaign.get(id), store.cards.get(id)?.currency));
    onSent();
    const told = t("{sent} sent, {refused} refused", { sent: accepted.length, refused: refused.length });
    announce(told);
    byId("bulk-title").textContent = told;
    setHidden(dialog.querySelector("form"), true);
    setHidden(dialog.querySelector(".outcome"), false);
    dialog.outcome = { accepted: accepted.map((each) => each.campaign_id), refused };
    showOutcome(store);
    dialog.querySelector(".outcome").focus();
  } catch (error) {
    complaint.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

/** What became of each decision: refused by the board, on its way, or as the controller has left the card. */
export function showOutcome(store) {
  const dialog = byId("bulk");
  if (!dialog.open || !dialog.outcome) return;
  const { accepted, refused } = dialog.outcome, named = (id) => store.cards.has(id) ? nameOf(store.cards.get(id)) : id;
  const lines = [
    ...refused.map(({ campaign_id: id, error, decision }) => h("li", { "data-is": "refused", dir: "auto" }, h("b", {}, named(id)), " ", decision ? overtaken(decision, store.cards.get(id)?.currency) : error)),
    ...accepted.map((id) => h("li", { "data-is": store.pending.has(id) ? "waits" : "answered", dir: "auto" }, h("b", {}, named(id)), ` ${stateOf(store, id)}`)),
  ];
  dialog.querySelector(".outcome ul").replaceChildren(...lines);
}

function stateOf(store, id) {
  if (store.pending.has(id)) return t("Waiting for the controller …");
  const card = store.cards.get(id);
  if (!card) return t("It is gone from the board.");
  const until = card.hold?.expires_at ? t("until {time}", { time: timeInWords(card.hold.expires_at) }) : "";
  return [t("in column {column}", { column: columnName(card.column) }), until, card.reason].filter(Boolean).join(" · ");
}
