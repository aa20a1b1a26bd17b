// The page of customers: what those are worth whom a campaign acquired, and which of them come back, and what they answer and ask for.

import { api, Newest } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { amount, number, percent, span } from "./format.js";
import { t } from "./i18n.js";
import { nameOf } from "./store.js";

const WIDTH = 200, HEIGHT = 20;
/** The campaign whose cohorts are shown; empty: all together. */
let chosen = "", drawn = "";
/** The attribution model that says which campaign acquired a customer. */
let model = "declared";
const newest = new Newest();

/** Reads and draws; what has not changed stays, so that focus and scroll stay. */
export async function showCustomers(store) {
  if (!document.body.dataset.role) return; // nobody has logged in yet: the board would refuse
  const body = byId("customers-body");
  if (!body.children.length) body.replaceChildren(h("p", { role: "status" }, t("Reading …")));
  if (!store.isKnown) return; // campaigns have no names yet; the page comes back here when the board is known
  let found;
  try {
    found = await newest.of(api.customers(model, chosen));
  } catch (error) {
    drawn = "";
    body.replaceChildren(h("p.error", { role: "alert" }, error.message));
    return;
  }
  if (found === null) return;
  const name = (id) => store.cards.has(id) ? nameOf(store.cards.get(id)) : id;
  const state = JSON.stringify([found, found.campaigns.map((each) => name(each.campaign_id)), chosen]);
  if (state === drawn) return;
  drawn = state;
  const choosing = ["cohorts-of", "acquired-in"].find((id) => document.activeElement?.id === id);
  body.replaceChildren(...models(found.models, store), ...(found.campaigns.length ? content(found, name, store)
    : [h("p", { role: "status" }, t("No customers are known yet. Workers keep accounts of customers with the setting CUSTOMER_RETENTION, from the orders on that are read then."))]));
  if (choosing) byId(choosing)?.focus();
}

/** Which model says who acquired a customer, where there are several. */
function models(known, store) {
  const all = [...new Set(["declared", model, ...known])];
  if (all.length < 2) return [];
  const select = h("select", { id: "acquired-in" }, ...all.map((each) => h("option", { value: each }, each === "declared" ? t("as first orders declare") : each)));
  select.value = model;
  select.addEventListener("change", () => {
    model = select.value;
    chosen = "";
    showCustomers(store);
  });
  return [h("p", {}, h("label", {}, t("Acquired by, in the model"), " ", select)),
    ...(model === "declared" ? [] : [h("p", {}, t("A customer is of the campaign that the model gives the greatest part of the first order to, whole: so counts and money of all campaigns add up to those of every other model."))])];
}

function content(found, name, store) {
  return [
    h("h3", { id: "worth-title" }, t("What they are worth")),
    h("p", {}, t("Value so far is revenue less refunds and cost of goods, per customer. Expected is what customers bring in their first months, by what older cohorts of the campaign brought; the range holds what comes in 80 of 100 cases, if cohorts stay alike. It is a prediction: look at it to plan, not to prove.")),
    h("p", {}, found.period === "week"
      ? t("The verdict says whether customers bring in 52 weeks what they cost. It has one look a week, from when three cohorts have lived for so long, and each look is stricter than the one before, so that over all looks at most one campaign in twenty is ever called wrong.")
      : t("The verdict says whether customers bring in twelve months what they cost. It has one look a month, from when three cohorts have lived for so long, and each look is stricter than the one before, so that over all looks at most one campaign in twenty is ever called wrong.")),
    h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "worth-title" }, worth(found.campaigns, name, found.period)),
    ...funnel(found.campaigns.filter((each) => each.funnel), name),
    ...beside(found.campaigns.filter((each) => each.engagement), name),
    h("h3", { id: "retention-title" }, t("Who comes back")),
    h("p", {}, found.period === "week"
      ? t("Each line is the customers who were acquired in a week; each column says which share of them ordered in the n-th week after it, for weeks that are over.")
      : t("Each line is the customers who were acquired in a month; each column says which share of them ordered in the n-th month after it, for months that are over.")),
    h("p", {}, h("label", {}, t("Cohorts of"), " ", choice(found.campaigns, name, store))),
    h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "retention-title" }, matrix(found.cohorts, found.campaigns)),
  ];
}

function choice(campaigns, name, store) {
  const select = h("select", { id: "cohorts-of" }, h("option", { value: "" }, t("all campaigns")),
    ...campaigns.map((each) => h("option", { value: each.campaign_id }, name(each.campaign_id))));
  select.value = campaigns.some((each) => each.campaign_id === chosen) ? chosen : "";
  select.addEventListener("change", () => {
    chosen = select.value;
    showCustomers(store);
  });
  return select;
}

// --- what they are worth ------------------------------------------------------------------------------

function worth(campaigns, name, period) {
  const most = Math.max(...campaigns.flatMap((each) => [each.clv_historic ?? 0, each.expected?.high ?? 0, each.cac ?? 0])) || 1;
  const head = [t("Campaign"), t("Customers"), t("Come back"), t("Value so far"), t("Expected"), t("CAC"), t("Value and cost"), t("CLV : CAC"), t("Expected CLV : CAC"), t("Verdict"), t("Months to pay back")];
  return h("table", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, ...campaigns.map((each) => line(each, name(each.campaign_id), most, period))));
}

function line(each, name, most, period) {
  const { currency, expected } = each;
  const money = (units) => amount(units, currency);
  return h("tr", {},
    h("th", { scope: "row", title: name }, h("a", { href: `/campaigns/${encodeURIComponent(each.campaign_id)}`, dir: "auto" }, name),
      each.has_uncertain_amounts ? h("small", {}, t("amounts without a rate")) : null),
    h("td", {}, number(each.customers, 0)),
    h("td", {}, percent(each.repeat_rate)),
    h("td", {}, money(each.clv_historic)),
    h("td", {}, expected ? money(expected.value) : "–",
      expected ? h("small", {}, within(period, { low: money(expected.low), high: money(expected.high), months: expected.months })) : null),
    h("td", {}, each.cac === null ? t("unknown") : money(each.cac)),
    h("td.worth", {}, picture(each, most)),
    h("td", { "data-pays": pays(each.clv_to_cac, each.clv_to_cac) }, number(each.clv_to_cac)),
    h("td", {}, expected ? number(expected.to_cac) : "–",
      expected && expected.to_cac !== null ? h("small", {}, t("{low} to {high}", { low: number(expected.to_cac_low), high: number(expected.to_cac_high) })) : null),
    verdict(each),
    h("td", {}, each.payback_months === null ? each.cac === null ? t("unknown") : t("not yet") : number(each.payback_months, period === "week" ? 1 : 0)));
}

const within = (period, range) => period === "week" ? t("{low} to {high} in {months} weeks", range) : t("{low} to {high} in {months} months", range);

const VERDICTS = { good: t("pays"), bad: t("does not pay"), inconclusive: t("too early to say") };

/** Why there is no verdict yet, or none that is sure. */
const WAITS = {
  year: t("No verdict before three cohorts have lived for a year."),
  rates: t("No verdict while amounts count whose worth is not known for sure."),
  customers: t("Accounts hold too few of the customers whom the campaign won; what the others bring is not known."),
};

/** What may be said however often somebody looks, and the range that it is said by. */
function verdict({ judged, cac, waits_for: waits }) {
  if (cac === null || waits === "spend") return h("td", {}, t("unknown"));
  if (!judged) return h("td", { title: WAITS[waits ?? "year"] }, waits === "rates" ? t("amounts without a rate") : t("too young"));
  return h("td", { "data-pays": { good: "yes", bad: "no" }[judged.verdict] ?? null, title: WAITS[waits] ?? null }, waits === "customers" ? t("customers are missing") : VERDICTS[judged.verdict],
    h("small", {}, t("look {look}: {low} to {high}", { look: judged.look, low: number(judged.low), high: number(judged.high) })));
}

/** Whether customers bring more than they cost; null where a range holds both. */
const pays = (low, high) => low === null || low === undefined ? null : low >= 1 ? "yes" : high < 1 ? "no" : null;

/** Value so far as a bar, the range of what is expected behind it, and a line where the cost of a customer stands. */
function picture({ clv_historic: value, expected, cac, currency }, most) {
  const at = (units) => (Math.max(0, Math.min(units, most)) / most) * WIDTH;
  const money = (units) => amount(units, currency);
  const label = cac === null ? t("value so far {value}", { value: money(value) }) : t("value so far {value}, cost {cac}", { value: money(value), cac: money(cac) });
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (expected) node.append(svg("rect", { class: "interval", x: at(expected.low), y: 3, width: Math.max(2, at(expected.high) - at(expected.low)), height: 14, rx: 3 }));
  node.append(svg("rect", { class: "filled", x: 0, y: 7, width: at(value ?? 0), height: 6 }));
  if (cac !== null) node.append(svg("path", { class: "mark", d: `M${Math.min(WIDTH - 1, Math.max(1, at(cac)))} 0v${HEIGHT}` }));
  return node;
}

// --- from the click to who brings others ----------------------------------------------------------------

function funnel(campaigns, name) {
  if (!campaigns.length) return [];
  const head = [t("Campaign"), t("Clicks"), t("Leads"), t("Customers"), t("Activated"), t("Come back"), t("Brought somebody"), t("Revenue per click")];
  return [
    h("h3", { id: "funnel-title" }, t("From the click to who brings others")),
    h("p", {}, t("Each column is a step, over the whole history of the campaign, with the share that took it: leads of clicks, customers of leads, and of customers who was activated, came back and brought somebody. Customers whom no lead or click came before count too, so a share may be above 100 %.")),
    h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "funnel-title" },
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))),
        h("tbody", {}, ...campaigns.map((each) => funnelOf(each, name(each.campaign_id)))))),
  ];
}

function funnelOf({ customers, currency, funnel: { clicks, leads, activated, repeaters, referrers, kpis } }, name) {
  const ofCustomers = (share) => share === null ? null : t("{share} of customers", { share: percent(share) });
  const step = (count, share) => h("td", {}, count === null ? t("unknown") : number(count, 0), share ? h("small", {}, share) : null);
  return h("tr", {}, h("th", { scope: "row", title: name, dir: "auto" }, name),
    step(clicks),
    step(leads, kpis.lead_rate === null ? null : t("{share} of clicks", { share: percent(kpis.lead_rate) })),
    step(customers, kpis.customer_rate === null ? null : t("{share} of leads", { share: percent(kpis.customer_rate) })),
    step(activated, ofCustomers(kpis.activation_rate)), step(repeaters, ofCustomers(kpis.repeat_rate)), step(referrers, ofCustomers(kpis.referral_rate)),
    h("td", {}, amount(kpis.revenue_per_click, currency)));
}

// --- what they do beside ordering ----------------------------------------------------------------------

/** Nothing where nobody answers, asks or holds a contract. */
function beside(campaigns, name) {
  if (!campaigns.length) return [];
  const head = [t("Campaign"), t("NPS"), t("Satisfied"), t("First response"), t("Resolution"), t("Resolved"), t("Renewed"), t("Churn of contracts"), t("Activated"), t("Brought somebody"), t("Brought per customer")];
  return [
    h("h3", { id: "engagement-title" }, t("What they answer, ask for and pass on")),
    h("p", {}, t("NPS is the share of who answers 9 or 10 less that of who answers 0 to 6, in points. Ranges hold the share of all customers in 95 of 100 cases; wide ones are of few answers. Times are medians, with the time within which nine of ten tickets are done. Churn is that of the newest month that is over; where cohorts go by week, of the newest week.")),
    h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "engagement-title" },
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))),
        h("tbody", {}, ...campaigns.map((each) => besideOf(each.engagement, name(each.campaign_id)))))),
    ...contracts(campaigns.filter((each) => each.engagement.contracts), name),
  ];
}

/** Nothing where nobody holds a contract. */
function contracts(campaigns, name) {
  if (!campaigns.length) return [];
  const head = [t("Campaign"), t("Contracts begun"), t("Running"), t("MRR"), t("Per contract and month"), t("Billed per customer"), t("Lifetime value of a contract")];
  return [
    h("h3", { id: "contracts-title" }, t("What contracts bring")),
    h("p", {}, t("MRR is what the contracts bring in a month that ran when the newest month that is over ended, or the newest week where cohorts go by week; contracts without an amount, or with one in another currency, bring nothing in it. The lifetime value of a contract is what one brings in a month by the share that ends in one; its range is that of 95 %, and wide where few have ended. What is paid comes as orders, too: do not add the two.")),
    h("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": "contracts-title" },
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))),
        h("tbody", {}, ...campaigns.map((each) => contractsOf(each, name(each.campaign_id)))))),
  ];
}

function contractsOf({ currency, engagement }, name) {
  const { kpis, running, valued } = engagement, money = (units) => amount(units, currency);
  return h("tr", {}, h("th", { scope: "row", title: name, dir: "auto" }, name),
    h("td", {}, number(engagement.contracts, 0)),
    h("td", {}, number(running, 0), valued < running ? h("small", {}, t("{count} without a known amount", { count: number(running - valued, 0) })) : null),
    ...["mrr", "contract_arpu", "contract_clv_historic"].map((id) => h("td", {}, money(kpis[id]))),
    h("td", {}, money(kpis.contract_clv), kpis.contract_clv === null ? null
      : h("small", {}, t("{low} to {high}", { low: money(kpis.contract_clv_low), high: money(kpis.contract_clv_high) }))));
}

function besideOf({ answers, ratings, tickets, kpis }, name) {
  const points = (score) => number(score === null ? null : 100 * score, 0);
  const ranged = (value, low, high, form, count) => h("td", {}, form(value),
    value === null ? null : h("small", {}, t("{low} to {high} of {count}", { low: form(low), high: form(high), count: number(count, 0) })));
  const timed = (median, most) => h("td", {}, median === null ? "–" : span(1000 * median),
    median === null ? null : h("small", {}, t("nine of ten in {time}", { time: span(1000 * most) })));
  return h("tr", {}, h("th", { scope: "row", title: name, dir: "auto" }, name),
    ranged(kpis.nps, kpis.nps_low, kpis.nps_high, points, answers),
    ranged(kpis.csat, kpis.csat_low, kpis.csat_high, percent, ratings),
    timed(kpis.first_response_p50, kpis.first_response_p90),
    timed(kpis.resolution_p50, kpis.resolution_p90),
    h("td", {}, percent(kpis.resolution_rate), kpis.resolution_rate === null ? null : h("small", {}, t("of {count} tickets", { count: number(tickets, 0) }))),
    ...["renewal_rate", "contract_churn_rate", "activation_rate", "referral_rate"].map((id) => h("td", {}, percent(kpis[id]))),
    h("td", {}, number(kpis.k_factor)));
}

// --- who comes back -----------------------------------------------------------------------------------

function matrix(cohorts, campaigns) {
  const ages = Math.max(0, ...cohorts.map((each) => each.retention.length));
  // The month of the first order is nearly always whole: it would leave no shade for the others.
  const most = Math.max(0, ...cohorts.flatMap((each) => each.retention.slice(1)).map((share) => share ?? 0)) || 1;
  const currencies = [...new Set(campaigns.map((each) => each.currency))];
  const head = [t("Acquired in"), t("Customers"), t("Come back"), t("Value so far"), ...Array.from({ length: ages }, (_, age) => age)];
  return h("table.matrix", {}, h("thead", {}, h("tr", {}, ...head.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, ...cohorts.map((each) => h("tr", {}, h("th", { scope: "row" }, each.cohort), h("td", {}, number(each.customers, 0)), h("td", {}, percent(each.repeat_rate)),
      h("td", {}, amount(each.clv_historic, currencies[0])), ...each.retention.map((share, age) => cell(share, age, most))))));
}

function cell(share, age, most) {
  const isShaded = age > 0 && share !== null, node = h("td", { "data-share": isShaded ? "" : null }, percent(share));
  if (isShaded) node.style.setProperty("--share", (share / most).toFixed(3));
  return node;
}
