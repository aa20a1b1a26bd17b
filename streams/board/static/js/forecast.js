// The page of forecasts: a plan, what it may bring, what that leans on, and what came of it.

import { api } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { saveParts } from "./export.js";
import { amount, number, parsedAmount, percent } from "./format.js";
import { n, t } from "./i18n.js";
import { ATTRIBUTES } from "./past.js";

const FIGURES = {
  leads: t("Leads"), orders: t("Orders"), new_customers: t("New customers"), revenue: t("Revenue"), cpl: t("CPL"), cac: t("CAC"), roi: t("ROI"),
};
const MONEY = new Set(["revenue", "cpl", "cac"]);
const WIDTH = 200, HEIGHT = 20, LARGEST_FILE = 100_000;
/** Names of past campaigns by id. */
const names = new Map();
let isDrawn = false;

/** Draws the form once; its choices are those of the archive. */
export async function showForecast() {
  if (!document.body.dataset.role || isDrawn) return; // nobody has logged in yet: the board would refuse
  const form = byId("forecast-plan"), body = byId("forecast-body");
  let found;
  try {
    found = await api.archive({ age_days: 0 });
  } catch (error) {
    body.replaceChildren(h("p.error", { role: "alert" }, error.message));
    return;
  }
  if (isDrawn) return;
  isDrawn = true;
  for (const one of found.campaigns) if (one.name) names.set(one.campaign_id, one.name);
  form.replaceChildren(...fields(found));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form, body);
  });
  byId("forecast-file").addEventListener("change", (event) => score(event.target.files[0]));
  byId("forecast-check").addEventListener("click", () => check(form.elements.currency.value));
}

// --- the plan -----------------------------------------------------------------------------------------------

function fields(found) {
  const currencies = Object.keys(found.choices.currency).sort();
  return [
    field(t("Campaign id"), h("input", { name: "campaign_id", maxlength: "128", required: true, autocomplete: "off", value: "plan" })),
    ...Object.entries(ATTRIBUTES).flatMap(([name, label]) => {
      const values = Object.keys(found.choices[name]).filter(Boolean).sort();
      return [field(label, h("input", { name, maxlength: "128", list: `known-${name}`, autocomplete: "off", placeholder: t("not named") })),
        h("datalist", { id: `known-${name}` }, ...values.map((value) => h("option", { value })))];
    }),
    field(t("Days"), h("input", { name: "days", type: "number", min: "1", max: "3660", step: "1", value: "30", required: true })),
    field(t("Budget"), h("input.amount", { name: "budget", inputmode: "decimal", required: true, autocomplete: "off" })),
    field(t("Other cost"), h("input.amount", { name: "other_cost", inputmode: "decimal", autocomplete: "off" })),
    field(t("Money in"), currencies.length ? select("currency", currencies, found.currency) : h("input.amount", { name: "currency", maxlength: "3", value: "" })),
    h("button.primary", {}, t("Forecast it")),
  ];
}

const field = (label, input) => h("label", {}, h("span", {}, label), input);

function select(name, values, value) {
  const node = h("select", { name }, ...values.map((each) => h("option", { value: each }, each)));
  node.value = value;
  return node;
}

/** The plan of the form, as the board takes it; null where an amount is none. */
function planOf(form) {
  const said = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  const [budget, otherCost] = [said.budget ?? "", said.other_cost ?? "0"].map((text) => parsedAmount(text, said.currency));
  if (budget === null || otherCost === null) return null;
  return { ...said, budget, other_cost: otherCost, days: Number(said.days) };
}

async function run(form, body) {
  const plan = planOf(form), button = form.querySelector("button");
  if (plan === null) {
    body.replaceChildren(h("p.error", { role: "alert" }, t("Budget and other cost must be amounts, like 12000 or 12000.50.")));
    return;
  }
  button.disabled = true;
  body.replaceChildren(h("p", {}, t("Learning from past campaigns …")));
  try {
    body.replaceChildren(...shown(await api.forecast(plan)));
  } catch (error) {
    body.replaceChildren(h("p.error", { role: "alert" }, error.message));
  } finally {
    button.disabled = false;
  }
}

// --- the figures --------------------------------------------------------------------------------------------

const written = (name, value, currency) => value === null ? t("unknown") : name === "roi" ? percent(value, true)
  : MONEY.has(name) ? amount(value, currency) : number(value, 0);

function table(id, title, head, rows) {
  return [h("h3", { id }, title), h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": id },
    h("table", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))), h("tbody", {}, ...rows)))];
}

function shown(found) {
  const { campaign_id: id, currency, figures, campaigns, leans_on: leaning, unseen } = found;
  const most = Object.entries(leaning).map(([past, weight]) => `${names.get(past) ?? past} (${percent(weight)})`).join(", ");
  const notes = [n("Learned from {count} campaign; it leans most on {names}.", "Learned from {count} campaigns; it leans most on {names}.", campaigns, { names: most })];
  if (unseen.length) notes.push(t("No past campaign has this {fields}; the ranges are wider for it.", { fields: unseen.map((name) => ATTRIBUTES[name]).join(", ") }));
  return [
    ...table("forecast-figures", t("What {campaign} may bring", { campaign: id }), [t("Figure"), t("Expected"), t("Low"), t("High"), t("Range")],
      Object.entries(figures).map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, FIGURES[name] ?? name),
        ...[one.estimate, one.low, one.high].map((value) => h("td", {}, written(name, value, currency))), h("td.worth", {}, picture(name, one, null, currency))))),
    ...notes.map((text) => h("p", { dir: "auto" }, text)),
    h("p", {}, h("button", { type: "button", onclick: () => saveParts([JSON.stringify(found)], "application/json", `forecast-${id.replaceAll(/[^\w.-]/g, "_")}.json`) },
      t("Save this forecast")), " ", t("Keep the file: it is scored when the campaign is over.")),
  ];
}

/** The range as a bar, the middle of it as a block, and a line where it came to. */
function picture(name, { estimate, low, high }, came, currency) {
  const ends = [low, high, ...(came === null ? [] : [came])], from = Math.min(...ends), room = (Math.max(...ends) - from) * 0.1 || 1, to = Math.max(...ends) + room;
  const at = (value) => ((value - from + room) / (to - from + room)) * WIDTH;
  const values = { low: written(name, low, currency), high: written(name, high, currency), came: came === null ? "" : written(name, came, currency) };
  const label = came === null ? t("{low} to {high}", values) : t("{low} to {high}, it came to {came}", values);
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  node.append(svg("rect", { class: "interval", x: at(low), y: 6, width: Math.max(2, at(high) - at(low)), height: 8, rx: 3 }),
    svg("rect", { class: "filled", x: at(estimate) - 2, y: 3, width: 4, height: 14 }));
  if (came !== null) node.append(svg("path", { class: "mark", d: `M${at(came)} 0v${HEIGHT}` }));
  return node;
}

// --- what came of it ----------------------------------------------------------------------------------------

async function score(file) {
  const body = byId("forecast-score");
  if (!file) return;
  try {
    const made = file.size > LARGEST_FILE ? null : JSON.parse(await file.text());
    body.replaceChildren(...scored(await api.score(made)));
  } catch (error) {
    const text = error instanceof SyntaxError ? t("{name} is no saved forecast.", { name: file.name }) : error.message;
    body.replaceChildren(h("p.error", { role: "alert" }, text));
  }
}

function scored({ campaign_id: id, currency, rows }) {
  const known = rows.filter((row) => row.held !== null), held = known.filter((row) => row.held).length;
  return [
    ...table("forecast-came", t("What came of {campaign}", { campaign: id }), [t("Figure"), t("Expected"), t("Low"), t("High"), t("It came to"), t("Range")],
      rows.map((row) => h("tr", {}, h("th", { scope: "row" }, FIGURES[row.figure] ?? row.figure),
        ...[row.estimate, row.low, row.high].map((value) => h("td", {}, written(row.figure, value, currency))),
        h("td", { "data-pays": row.held === null ? null : row.held ? "yes" : "no" }, written(row.figure, row.came, currency)),
        h("td.worth", {}, picture(row.figure, row, row.came, currency))))),
    h("p", {}, n("{held} of {count} range held what came; eight of ten are to.", "{held} of {count} ranges held what came; eight of ten are to.", known.length, { held })),
  ];
}

async function check(currency) {
  const body = byId("forecast-checked"), button = byId("forecast-check");
  button.disabled = true;
  body.replaceChildren(h("p", {}, t("Forecasting past campaigns …")));
  try {
    body.replaceChildren(...checked(await api.check(currency)));
  } catch (error) {
    body.replaceChildren(h("p.error", { role: "alert" }, error.message));
  } finally {
    button.disabled = false;
  }
}

function checked({ campaigns, coverage, rows }) {
  return [
    ...table("forecast-rows", n("{count} campaign, forecast from the others", "{count} campaigns, each forecast from the others", campaigns),
      [t("Figure"), t("Forecasts"), t("Ranges that held"), t("Typical error")],
      rows.map((row) => h("tr", {}, h("th", { scope: "row" }, FIGURES[row.figure] ?? row.figure), h("td", {}, number(row.forecasts, 0)),
        h("td", {}, `${number(row.held, 0)} (${percent(row.held / row.forecasts)})`), h("td", {}, row.error === null ? "–" : `× ${number(Math.exp(row.error))}`)))),
    h("p", {}, t("Of the ranges {share} are to hold. An error of × 1.3 is 30% above, or as much below.", { share: percent(coverage) })),
  ];
}
