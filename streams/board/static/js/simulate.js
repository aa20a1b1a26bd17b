// "What would this policy have done over the last 7 days?": choose, run, read.

import { api } from "./api.js";
import { table } from "./details.js";
import { byId, h } from "./dom.js";
import { action, exactTime, money, number, percent, time } from "./format.js";
import { nameOf } from "./store.js";

const PRESETS = [
  ["", "as configured", "the policy the controller runs with, in mode enforce"],
  ["careful", "careful", "small steps, long rests; stops only what is surely bad"],
  ["standard", "standard", "what is set unless you say otherwise"],
  ["bold", "bold", "large steps, short rests"],
];
const MAX_ROWS = 200;

/** Opens the dialog; nothing runs before it is asked for. */
export function openSimulation(store) {
  const dialog = byId("simulation"), body = dialog.querySelector(".body");
  const result = h("div", { "aria-live": "polite" });
  const form = h("form.choice", {},
    h("fieldset", {}, h("legend", {}, "Policy"), ...PRESETS.map(([value, name, meaning], at) =>
      h("label", {}, h("input", { type: "radio", name: "preset", value, checked: at === 0 }), h("span", {}, h("b", {}, name), ` – ${meaning}`)))),
    h("button.primary", {}, "Simulate the last 7 days"));
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
  result.replaceChildren(h("p", {}, "Reading the hours and running the policy over them …"));
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
    result.replaceChildren(h("p", {}, "There are no hours yet: figures of 1h come when the first hour has begun."));
    return;
  }
  const { without, with_policy: policy, currency } = simulation;
  const actions = new Map();
  for (const each of simulation.actions) actions.set(each.campaign_id, [...(actions.get(each.campaign_id) ?? []), each]);
  const acted = simulation.campaigns.filter((each) => actions.has(each.campaign_id)).sort((a, b) => Math.abs(gain(b)) - Math.abs(gain(a)));
  result.replaceChildren(
    h("p", {}, `${simulation.hours} hours, from ${exactTime(simulation.start)} to ${exactTime(simulation.end)}. `,
      h("b", {}, verdict(simulation))),
    table(["Sum", "as it was", "with this policy", "difference"], [
      row("Spend", "spend_micros", without, policy, currency),
      row("Revenue kept", "kept_revenue_micros", without, policy, currency),
      row("Profit", "profit_micros", without, policy, currency),
      ["ROI", percent(without.roi, true), percent(policy.roi, true), ""],
    ]),
    h("p.note", {}, `The policy is asked once at the end of each hour, over hours as they happened, with whatever was done in them. A stopped campaign spends and brings nothing more, also nothing from earlier clicks. A changed budget changes results with diminishing returns (elasticity ${number(simulation.elasticity)}), which is an assumption and no measurement.`),
    h("h3", {}, acted.length ? `What it would have done (${acted.length} of ${simulation.campaigns.length} campaigns)` : "It would have done nothing"),
    ...acted.slice(0, MAX_ROWS).map((each) => campaign(store, each, actions.get(each.campaign_id), currency)),
    acted.length > MAX_ROWS ? h("p", {}, `And ${acted.length - MAX_ROWS} more.`) : "");
}

const gain = (one) => one.with_policy.profit_micros - one.without.profit_micros;

function verdict({ spend_avoided_micros: avoided, profit_gained_micros: gained, currency }) {
  if (!avoided && !gained) return "It would have changed nothing.";
  const spend = avoided >= 0 ? `${money(avoided, currency)} less` : `${money(-avoided, currency)} more`;
  return `It would have spent ${spend} and made ${money(Math.abs(gained), currency)} ${gained >= 0 ? "more" : "less"} profit.`;
}

const row = (name, key, without, policy, currency) =>
  [name, money(without[key], currency), money(policy[key], currency), money(policy[key] - without[key], currency)];

function campaign(store, one, actions, currency) {
  const card = store.cards.get(one.campaign_id), difference = gain(one);
  return h("details", {},
    h("summary", {}, h("b", { dir: "auto" }, card ? nameOf(card) : one.campaign_id), ` – ends in ${one.column}; spend ${money(one.without.spend_micros, currency)} → ${money(one.with_policy.spend_micros, currency)}, profit ${difference >= 0 ? "+" : "−"}${money(Math.abs(difference), currency)}`),
    h("ol.trail", { role: "list" }, ...actions.map((each) => h("li", { "data-mode": each.mode },
      h("time", { datetime: each.decided_at, title: exactTime(each.decided_at) }, time(each.decided_at)),
      h("span.kind", {}, each.mode === "enforce" ? "done" : "proposed"),
      h("div", {}, h("span.what", {}, action(each)), h("p", { dir: "auto" }, each.reason))))));
}
