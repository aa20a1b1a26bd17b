// The page of past campaigns: groups of one attribute, alike in the others, and each campaign of them.

import { api, Newest } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { exactTime, kpi, KPIS, money, number, percent } from "./format.js";
import { n, t } from "./i18n.js";

export const ATTRIBUTES = { target: t("Target group"), offer: t("Offer"), channel: t("Channel"), objective: t("Objective") };
const COMPARED = ["cpl", "cac", "roas", "roi_net_profit", "lead_rate", "customer_rate", "aov"];
const AGES = [0, 7, 30, 90];
const WIDTH = 200, HEIGHT = 20;
/** What is asked for; of attributes that are absent any value. */
const asked = { by: "target", age_days: "30" };
const newest = new Newest();
let drawn = "";

/** Reads and draws; what has not changed stays, so that focus and scroll stay. */
export async function showPast() {
  if (!document.body.dataset.role) return; // nobody has logged in yet: the board would refuse
  const body = byId("past-body");
  if (!body.children.length) body.replaceChildren(h("p", { role: "status" }, t("Reading …")));
  let found;
  try {
    found = await newest.of(api.archive(asked));
  } catch (error) {
    drawn = "";
    body.replaceChildren(h("p.error", { role: "alert" }, error.message));
    return;
  }
  if (found === null) return;
  const state = JSON.stringify([found, asked]);
  if (state === drawn) return;
  drawn = state;
  const focused = document.activeElement?.id;
  byId("past-choices").replaceChildren(...(found.archived ? choices(found) : []));
  body.replaceChildren(...(found.archived ? content(found)
    : [h("p", { role: "status" }, t("No campaign is archived yet. roistream archive update does it, once a campaign is over for 30 days; let a timer run it every week."))]));
  if (focused?.startsWith("past-")) byId(focused)?.focus();
}

function choose(name, value) {
  if (value === null) delete asked[name];
  else asked[name] = value;
  showPast();
}

/** What is compared: by which attribute, and what all have alike. */
function choices(found) {
  const others = Object.keys(ATTRIBUTES).filter((name) => name !== found.by);
  const currencies = Object.keys(found.choices.currency).sort();
  return [
    choice("by", t("Compare by"), Object.entries(ATTRIBUTES), found.by, (value) => {
      delete asked[value];
      choose("by", value);
    }),
    ...others.map((name) => choice(name, ATTRIBUTES[name],
      [["*", t("all of them")], ...Object.entries(found.choices[name]).sort().map(([value, count]) => [value, `${named(value)} (${number(count, 0)})`])],
      asked[name] ?? "*", (value) => choose(name, value === "*" ? null : value))),
    ...(currencies.length > 1 ? [choice("currency", t("Money in"), currencies.map((each) => [each, each]), found.currency, (value) => choose("currency", value))] : []),
    choice("age_days", t("Figures reach beyond the end"), AGES.map((days) => [days, days ? n("at least {count} day", "at least {count} days", days) : t("any time")]),
      found.age_days, (value) => choose("age_days", value)),
  ];
}

function choice(name, label, options, value, onChange) {
  const select = h("select", { id: `past-${name}`, dir: "auto" }, ...options.map(([each, text]) => h("option", { value: each }, text)));
  select.value = value;
  select.addEventListener("change", () => onChange(select.value));
  return h("label", {}, h("span", {}, label), select);
}

/** A value of an attribute. */
const named = (value) => value || t("not named");

function content(found) {
  const parts = [];
  if (found.campaigns.length) {
    parts.push(
      h("h3", { id: "groups-title" }, ATTRIBUTES[found.by]),
      h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "groups-title" }, groups(found)),
      h("h3", { id: "past-each-title" }, n("{count} campaign", "{count} campaigns", found.campaigns.length)),
      h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "past-each-title" }, each(found)));
  } else parts.push(h("p", { role: "status" }, t("No archived campaign is like that; ask for less.")));
  if (found.left_out.length) {
    parts.push(h("h3", {}, t("Not compared")), h("p", {}, t("These share what is asked for, and their figures are not like the others.")),
      h("ul.left-out", { role: "list" }, ...found.left_out.map((one) => h("li", {}, h("b", { dir: "auto" }, one.campaign_id), " ", one.reason))));
  }
  return parts;
}

const heads = (names, texts = []) => h("thead", {}, h("tr", {}, ...names.map((name) => h(texts.includes(name) ? "th.text" : "th", { scope: "col" }, name))));

// --- groups -----------------------------------------------------------------------------------------------

function groups({ by, groups: found, currency }) {
  const rois = found.flatMap((one) => [one.lowest.roi_net_profit, one.highest.roi_net_profit]).filter((roi) => roi !== null);
  const ends = [Math.min(0, ...rois), Math.max(0, ...rois)];
  return h("table", {}, heads([ATTRIBUTES[by], t("Campaigns"), t("Spend"), t("Leads"), t("Orders"), t("Range of ROI"), ...COMPARED.map((name) => KPIS[name].label)]),
    h("tbody", {}, ...found.map((one) => h("tr", {},
      h("th", { scope: "row", title: named(one.value), dir: "auto" }, named(one.value)),
      h("td", {}, number(one.campaigns, 0)),
      h("td", {}, money(one.spend_micros, currency), one.days ? h("small", {}, t("{amount} a day", { amount: money(one.spend_micros / one.days, currency) })) : null),
      h("td", {}, number(one.leads, 0)),
      h("td", {}, number(one.orders, 0)),
      h("td.worth", {}, picture(one, ends)),
      ...COMPARED.map((name) => h("td", {}, kpi(name, one.kpis[name], currency), range(name, one, currency)))))));
}

function range(name, one, currency) {
  if (one.campaigns < 2 || one.lowest[name] === null) return null;
  return h("small", {}, t("{low} to {high}", { low: kpi(name, one.lowest[name], currency), high: kpi(name, one.highest[name], currency) }));
}

/** From the lowest ROI of a campaign to the highest, with a bar where that of all lies and a line where nothing is gained. */
function picture({ kpis, lowest, highest }, [from, to]) {
  const at = (roi) => ((roi - from) / ((to - from) || 1)) * (WIDTH - 4) + 2, [low, own, high] = [lowest, kpis, highest].map((one) => one.roi_net_profit);
  if (low === null || own === null) return null;
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": t("ROI {own}, of single campaigns {low} to {high}", { own: percent(own, true), low: percent(low, true), high: percent(high, true) }) });
  node.append(svg("rect", { class: "interval", x: at(low), y: 6, width: Math.max(2, at(high) - at(low)), height: 8, rx: 3 }),
    svg("rect", { class: "filled", x: at(own) - 2, y: 2, width: 4, height: 16 }),
    svg("path", { class: "mark", d: `M${at(0)} 0v${HEIGHT}`, "stroke-dasharray": "2 2" }));
  return node;
}

// --- each campaign ------------------------------------------------------------------------------------------

function each({ campaigns, currency }) {
  return h("table", {}, heads([t("Campaign"), ...Object.values(ATTRIBUTES), t("Days"), t("Spend"), t("Leads"), t("Orders"), t("Revenue"),
    ...COMPARED.map((name) => KPIS[name].label), t("Paused"), t("Days beyond the end")], Object.values(ATTRIBUTES)),
  h("tbody", {}, ...campaigns.map((one) => h("tr", {},
    h("th", { scope: "row", title: one.campaign_id, dir: "auto" }, one.name ?? one.campaign_id,
      one.edition > 1 ? h("small", { title: one.changes.join("\n") }, t("corrected, edition {number}", { number: one.edition })) : null),
    ...Object.keys(ATTRIBUTES).map((name) => h("td.text", { dir: "auto" }, one[name] ?? "–")),
    h("td", {}, number(one.days, 0)),
    h("td", {}, money(one.spend_micros, currency)),
    h("td", {}, number(one.leads, 0)),
    h("td", {}, number(one.orders, 0)),
    h("td", {}, money(one.revenue_micros, currency)),
    ...COMPARED.map((name) => h("td", {}, kpi(name, one.kpis[name], currency))),
    h("td", {}, number(one.paused, 0)),
    h("td", { title: t("archived {time}", { time: exactTime(one.archived_at) }) }, number(one.age_days, 0))))));
}
