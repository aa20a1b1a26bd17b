// The dialog in which an operator says what to do and why, and the sending of it.

import { api } from "./api.js";
import { announce, byId, h, setHidden } from "./dom.js";
import { action, amount, budgetRange, columnName, consequence, decision as words, money, parsedAmount, timeInWords, why } from "./format.js";
import { locale, t } from "./i18n.js";
import { newId } from "./ids.js";
import { lastDecisions, overtaken, said as inWords } from "./overtaken.js";
import { COLUMNS, nameOf } from "./store.js";

const TITLES = {
  move: t("Move {name}"), approve: t("Approve for {name}"), reject: t("Reject for {name}"),
  pause: t("Pause {name}"), resume: t("Resume {name}"), set_budget: t("Set the budget of {name}"),
  undo: t("Take back the last decision on {name}"),
};
const CONSEQUENCES = {
  move: t("In test and scale ad platforms are told to run it, in every other column to stop it."),
  pause: t("Ad platforms are told to stop it, until the hold ends or someone resumes it."),
  resume: t("Ad platforms are told to run it. Where figures stopped it the evidence begins anew, else it goes on."),
  set_budget: t("Ad platforms are told the new budget of the whole flight."),
};
const SUGGESTED = { approve: t("Agreed") };

/**
 * Asks for what is missing of a decision, and sends it.
 * @param {import("./store.js").Store} store
 * @param {import("./view.js").View} view
 * @param {string} id campaign
 * @param {{verb: string, column?: string}} begun
 */
export function decide(store, view, id, begun) {
  const card = store.cards.get(id);
  if (!card || (["approve", "reject"].includes(begun.verb) && !card.proposal)) return;
  const dialog = byId("decision"), form = dialog.querySelector("form");
  const proposal = card.proposal;
  form.reset();
  dialog.querySelector(".error").textContent = "";
  byId("decision-title").textContent = TITLES[begun.verb].replace("{name}", () => nameOf(card));
  dialog.querySelector(".explain").textContent = explain(card, begun);
  fillColumn(form, card, begun);
  fillBudget(form, card, begun);
  fillUntil(form, begun);
  form.elements.column.onchange = () => fillUntil(form, begun);
  form.elements.reason.value = SUGGESTED[begun.verb] ?? "";
  const last = dialog.querySelector(".last");
  setHidden(last, true);
  let seen = lastDecisions(store, [id]).then((found) => found.get(id));
  dialog.dataset.campaign = id;
  seen.then((found) => {
    if (!found?.record || dialog.dataset.campaign !== id) return;
    last.textContent = t("Last decision: {text}", { text: inWords(found.record, card.currency) });
    setHidden(last, false);
  });
  // One id for all attempts: sending again after a failure says nothing twice.
  const decisionId = newId();
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (begun.verb === "undo") {
      const asked = { campaign_id: id, decision_id: begun.undo.decision_id, reason: form.elements.reason.value.trim() };
      await send(store, view, dialog, nameOf(card), () => api.undo(asked), t("Take back: {text}", { text: words(begun.said, card.currency) }));
      return;
    }
    const decision = { decision_id: decisionId, campaign_id: id, verb: begun.verb, reason: form.elements.reason.value.trim() };
    if (begun.verb === "move") decision.column = form.elements.column.value;
    if (begun.verb === "set_budget") {
      decision.budget = parsedAmount(form.elements.budget.value, card.currency);
      if (decision.budget === null) {
        dialog.querySelector(".error").textContent = t("{text} is no amount; write it like {example}.", { text: form.elements.budget.value, example: plainAmount(card) });
        return;
      }
    }
    if (isHold(form, begun) && form.elements.until.value) decision.until = new Date(form.elements.until.value).toISOString();
    if (proposal && ["approve", "reject"].includes(begun.verb)) decision.action_id = proposal.action_id;
    const known = await seen;
    if (known) decision.last_decision_id = known.id;
    const other = await send(store, view, dialog, nameOf(card), () => api.decide(decision), words(decision, card.currency));
    if (other) seen = Promise.resolve({ id: other.decision_id });
  };
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  dialog.onclose = () => view.focus(id);
  dialog.showModal();
  (begun.verb === "move" && !begun.column ? form.elements.column
    : begun.verb === "set_budget" ? form.elements.budget : form.elements.reason).focus();
}

/** Tells who has a dialog open what somebody else has just decided on its campaign. */
export function tellDecisions(news, store) {
  const dialog = byId("decision");
  if (!dialog.open) return;
  const other = news.findLast(({ kind, campaign_id: id, record }) => kind === "decision" && record.verb !== "comment"
    && id === dialog.dataset.campaign && record.decision_id !== store.lastSent.get(id));
  if (!other) return;
  const last = dialog.querySelector(".last");
  last.textContent = t("Just now: {text}", { text: inWords(other.record, store.cards.get(other.campaign_id)?.currency) });
  setHidden(last, false);
}

/** Sends a decision; the one of somebody else that came first, where that is why it was refused. */
async function send(store, view, dialog, name, call, text) {
  const button = dialog.querySelector(".primary");
  button.disabled = true;
  try {
    const accepted = await call();
    store.sent(accepted.campaign_id, accepted.decision_id, text);
    view.request();
    dialog.close();
    announce(t("Sent for {name}: {text}", { name, text }));
    return null;
  } catch (error) {
    dialog.querySelector(".error").textContent = error.decision
      ? `${overtaken(error.decision, store.cards.get(error.decision.campaign_id)?.currency)} ${t("If you still want yours, send it again: it then comes after that one.")}` : error.message;
    return error.decision;
  } finally {
    button.disabled = false;
  }
}

/** What taking back means: what was said by whom, and what it would be again. */
function explainUndo(card, { undo, said }) {
  const values = { name: undo.by ?? t("someone"), text: words(said, card.currency), time: undo.until ? timeInWords(undo.until) : "" };
  const back = undo.budget !== null ? t("Its budget becomes {to} (now {from}).", { to: amount(undo.budget, card.currency), from: money(card.budget_micros, card.currency) })
    : undo.until ? t("The campaign moves back to {column} until {time}.", { ...values, column: columnName(undo.column) })
      : t("The campaign moves back to {column}.", { column: columnName(undo.column) });
  return `${t("{name} decided: {text}.", values)} ${back} ${t("It goes through the same guards as the rules; if one refuses it, the card says why.")}`;
}

function explain(card, begun) {
  const { verb } = begun;
  if (verb === "undo") return explainUndo(card, begun);
  const isObserved = t("Mode observe: no ad platform is told to obey it.");
  const proposed = card.proposal ? `${action(card.proposal)}. ${why(card, card.proposal)}` : "";
  if (verb === "reject") return `${proposed} ${t("Nothing changes, and the same is not proposed again for as long as a proposal waits (a day unless set otherwise).")}`;
  if (verb === "approve") return `${proposed} ${card.mode === "observe" ? isObserved : consequence(card.proposal)} ${
    t("The guards look at it again with the figures of now; if one refuses, the card says why.")}`;
  if (card.mode === "observe") return t("Mode observe: this is written down and judged, and no ad platform is told to obey it.");
  return `${CONSEQUENCES[verb]} ${t("It goes through the same guards as the rules; if one refuses it, the card says why.")}`;
}

function fillColumn(form, card, begun) {
  const field = form.elements.column, isMove = begun.verb === "move";
  setHidden(form.querySelector(".column-field"), !isMove);
  field.replaceChildren(...COLUMNS.filter((each) => each !== card.column).map((each) => h("option", { value: each }, columnName(each))));
  if (begun.column) field.value = begun.column;
}

function fillBudget(form, card, begun) {
  const field = form.elements.budget, isBudget = begun.verb === "set_budget";
  setHidden(form.querySelector(".budget-field"), !isBudget);
  field.required = isBudget;
  form.querySelector(".budget-field span").textContent = t("New budget in {currency} (now {now})", { currency: card.currency, now: money(card.budget_micros, card.currency) });
  const range = form.querySelector("#budget-range");
  range.textContent = isBudget ? budgetRange(card) : "";
  setHidden(range, !range.textContent);
  field.value = isBudget ? plainAmount(card) : "";
}

/** A budget in the page's own notation, with all of its digits. */
const plainAmount = (card) => new Intl.NumberFormat(locale, { maximumFractionDigits: 6 }).format(card.budget_micros / 1e6);

/** Whether the decision would hold the campaign, so that it may have an end. */
const isHold = (form, begun) => begun.verb === "pause" || (begun.verb === "move" && form.elements.column.value === "hold");

function fillUntil(form, begun) {
  const field = form.elements.until;
  setHidden(form.querySelector(".until-field"), !isHold(form, begun));
  field.min = localMinute(new Date(Date.now() + 60_000));
}

/** A time as ``datetime-local`` writes it. */
const localMinute = (date) => new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
