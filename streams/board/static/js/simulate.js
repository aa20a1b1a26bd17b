// "What would this policy have done over the last 7 days?": choose, run, read.

import { api } from "./api.js";
import { table } from "./details.js";
import { byId, h } from "./dom.js";
import { action, columnName, exactTime, money, number, percent, time } from "./format.js";
import { n, t } from "./i18n.js";
import { reasonText } from "./reasons.js";
import { nameOf } from "./store.js";

const PRESETS = [
  ["", t("as configured"), t("the policy the controller runs with, in mode enforce")],
  ["careful", t("careful"), t("small steps, long rests; stops only what is surely bad")],
  ["standard", t("standard"), t("what is set unless you say otherwise")],
  ["bold", t("bold"), t("large steps, short rests")],
];
const MAX_ROWS = 200;
/** Below so many hours hardly any test can have come to an end. */
const FEW_HOURS = 48;

/** Opens the dialog; nothing runs before it is asked for. */
export function openSimulation(store) {
  const dialog = byId("simulation"), body = dialog.querySelector(".body");
  const result = h("div", { "aria-live": "polite" });
  const form = h("form.choice", {},
    h("fieldset", {}, h("legend", {}, t("Policy")), ...PRESETS.map(([value, name, meaning], at) =>
      h("label", {}, h("input", { type: "radio", name: "preset", value, checked: at === 0 }), h("span", {}, h("b", {}, name), ` – ${meaning}`)))),
    h("button.primary", {}, t("Simulate the last 7 days")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(store, form, result);
  });
  body.replaceChildren(form, result);
  dialog.showModal();
}

async function run(store, form, result) {
  const button = form.querySelector("button");
  button.disabled = true;
  result.replaceChildren(h("p", {}, t("Reading the hours and running the policy over them …")));
  try {
    show(store, result, await api.simulate(form.elements.preset.value || null));
  } catch (error) {
    result.replaceChildren(h("p.error", {}, error.message));
  } finally {
    button.disabled = false;
  }
}

function show(store, result, simulation) {
  if (!simulation.hours) {
    result.replaceChildren(leftOut(simulation) ?? h("p", {}, t("There are no hours yet: figures of 1h come when the first hour has begun.")));
    return;
  }
  const { without, with_policy: policy, currency } = simulation;
  const actions = new Map();
  for (const each of simulation.actions) actions.set(each.campaign_id, [...(actions.get(each.campaign_id) ?? []), each]);
  const acted = simulation.campaigns.filter((each) => actions.has(each.campaign_id)).sort((a, b) => Math.abs(gain(b)) - Math.abs(gain(a)));
  result.replaceChildren(...[
    h("p", {}, n("{count} hour, from {start} to {end}.", "{count} hours, from {start} to {end}.", simulation.hours,
      { start: exactTime(simulation.start), end: exactTime(simulation.end) }), " ", h("b", {}, verdict(simulation))),
    simulation.hours < FEW_HOURS ? h("p.notice", {}, n("There is only {count} hour of history: too little for most policies to act on, so what this says of them means little.",
      "There are only {count} hours of history: too little for most policies to act on, so what this says of them means little.", simulation.hours)) : null,
    table([t("Sum"), t("as it was"), t("with this policy"), t("difference")], [
      row(t("Spend"), "spend_micros", without, policy, currency),
      row(t("Revenue kept"), "kept_revenue_micros", without, policy, currency),
      row(t("Profit"), "profit_micros", without, policy, currency),
      [t("ROI"), percent(without.roi, true), percent(policy.roi, true), ""],
    ]),
    leftOut(simulation),
    h("p.note", {}, t("The policy is asked once at the end of each hour, over hours as they happened, with whatever was done in them. A stopped campaign spends and brings nothing more, also nothing from earlier clicks. A changed budget changes results with diminishing returns (elasticity {elasticity}), which is an assumption and no measurement.", { elasticity: number(simulation.elasticity) })),
    h("h3", {}, acted.length
      ? n("What it would have done ({acted} of {count} campaign)", "What it would have done ({acted} of {count} campaigns)", simulation.campaigns.length, { acted: acted.length })
      : t("It would have done nothing")),
    ...acted.slice(0, MAX_ROWS).map((each) => campaign(store, each, actions.get(each.campaign_id), currency)),
    acted.length > MAX_ROWS ? h("p", {}, n("And {count} more.", "And {count} more.", acted.length - MAX_ROWS)) : null,
  ].filter(Boolean));
}

/** Campaigns that no policy can be tried on, if there are any. */
function leftOut({ left_out: names }) {
  if (!names.length) return null;
  return h("p.notice", { title: names.join(", ") }, n("{count} campaign is left out: no hour says what it cost, since its reports are of longer times.",
    "{count} campaigns are left out: no hour says what they cost, since their reports are of longer times.", names.length));
}

const gain = (one) => one.with_policy.profit_micros - one.without.profit_micros;

function verdict({ spend_avoided_micros: avoided, profit_gained_micros: gained, currency }) {
  if (!avoided && !gained) return t("It would have changed nothing.");
  const values = { spend: money(Math.abs(avoided), currency), profit: money(Math.abs(gained), currency) };
  if (avoided >= 0) {
    return gained >= 0 ? t("It would have spent {spend} less and made {profit} more profit.", values) : t("It would have spent {spend} less and made {profit} less profit.", values);
  }
  return gained >= 0 ? t("It would have spent {spend} more and made {profit} more profit.", values) : t("It would have spent {spend} more and made {profit} less profit.", values);
}

const row = (name, key, without, policy, currency) =>
  [name, money(without[key], currency), money(policy[key], currency), money(policy[key] - without[key], currency)];

function campaign(store, one, actions, currency) {
  const card = store.cards.get(one.campaign_id), difference = gain(one);
  return h("details", {},
    h("summary", {}, h("b", { dir: "auto" }, card ? nameOf(card) : one.campaign_id), " – ", t("ends in {column}; spend {from} → {to}, profit {difference}", {
      column: columnName(one.column), from: money(one.without.spend_micros, currency), to: money(one.with_policy.spend_micros, currency),
      difference: `${difference >= 0 ? "+" : "−"}${money(Math.abs(difference), currency)}`,
    })),
    h("ol.trail", { role: "list" }, ...actions.map((each) => h("li", { "data-mode": each.mode },
      h("time", { datetime: each.decided_at, title: exactTime(each.decided_at) }, time(each.decided_at)),
      h("span.kind", {}, each.mode === "enforce" ? t("done") : t("proposed")),
      h("div", {}, h("span.what", {}, action(each)), h("p", { dir: "auto" }, reasonText(each.reason)))))));
}
