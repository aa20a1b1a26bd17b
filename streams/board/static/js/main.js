// The page put together: login, stream, today, board, dialogs.

import { api } from "./api.js";
import { decideOnMany, showOutcome } from "./bulk.js";
import { showCustomers } from "./customers.js";
import { decide, tellDecisions } from "./decide.js";
import { openDetails, tellDetails } from "./details.js";
import { announce, byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { enableDrag } from "./drag.js";
import { csvOf, save } from "./export.js";
import { columnName, span } from "./format.js";
import { choose, language, languages, n, t } from "./i18n.js";
import { enableKeyboard } from "./keyboard.js";
import { showForecast } from "./forecast.js";
import { follow } from "./live.js";
import { login } from "./login.js";
import { showPast } from "./past.js";
import { drawBoard, savePicture } from "./png.js";
import { reasonText } from "./reasons.js";
import { Selection } from "./selection.js";
import { openSimulation } from "./simulate.js";
import { nameOf, PATIENCE_MS, Store } from "./store.js";
import { beginVisit, linesOf, showToday } from "./today.js";
import { trailList } from "./trail.js";
import { View } from "./view.js";

const store = new Store(), view = new View(store), visit = beginVisit(Date.now());
let entries = [], readings = [], alike = [], split = { orders: 0, events: 0 };
/** A stream that the board refused is asked for again, but not at once. */
const AGAIN_MS = 3000;
const READINGS_EVERY_MS = 30_000, KEEP_EVERY_MS = 60_000, TODAY_EVERY_MS = 1000, CUSTOMERS_EVERY_MS = 60_000, MOST_ENTRIES = 1000;

const listeners = {
  board(board) {
    const isFirst = !store.isKnown, { moves, answers } = store.take(board);
    offerWindows();
    view.request();
    requestToday();
    tell(moves, answers);
    showOutcome(store);
    if (board.full && !isFirst) readTrail().catch(() => null); // while the stream was away, entries went by
    if (isFirst) {
      visit.keep(store.cards, Date.now());
      showPlace();
    }
  },
  trail(news) {
    entries = [...[...news].reverse(), ...entries].slice(0, MOST_ENTRIES);
    for (const { record } of news) if (record.by && !store.people.includes(record.by)) store.people.push(record.by);
    if (byId("trail").open) showTrail();
    if (byId("details").open) tellDetails(news, store);
    tellDecisions(news, store);
    requestToday();
  },
  effects(effects) {
    store.takeEffects(effects);
    view.request();
  },
  health(health) {
    Object.assign(store.health, health);
    showNotice();
  },
  figures(figures) {
    store.figures = figures;
    showNotice();
  },
  alerts(alerts) {
    store.alerts = alerts;
    showNotice();
  },
  silence(silence) {
    store.silence = silence;
    showNotice();
  },
  state(state) {
    setAttribute(byId("live"), "data-state", state);
    setText(byId("live-text"), STATES[state]);
    if (state === "closed") start(AGAIN_MS); // the session is over, or the board takes no more pages
  },
};
const STATES = { connecting: t("connecting"), live: t("live"), reconnecting: t("reconnecting"), closed: t("closed") };

/** Says to who does not see the page what moved, and what came of what was sent. */
function tell(moves, answers) {
  const texts = [
    ...moves.map(({ card, from }) => t("{name} moved from {from} to {to}", { name: nameOf(card), from: columnName(from), to: columnName(card.column) })),
    ...answers.filter((card) => card.reason).map((card) => t("{subject}: {text}", { subject: nameOf(card), text: reasonText(card.reason) })),
  ];
  if (!texts.length) return;
  announce(texts.slice(0, 3).join(". ") + (texts.length > 3 ? `. ${n("And {count} more.", "And {count} more.", texts.length - 3)}` : ""));
}

function offerWindows() {
  const select = byId("window"), windows = store.windows();
  if (windows.join() === [...select.options].map((each) => each.value).join()) return;
  select.replaceChildren(...windows.map((each) => h("option", { value: each }, each)));
  view.window = windows.includes(view.window) ? view.window : windows.includes("24h") ? "24h" : windows[windows.length - 1];
  select.value = view.window;
  view.requestAll();
}

/** What an operator must know before a figure is trusted: the page is old, or the board is, or the figures are. */
function notices() {
  const { redis, broker } = store.health, { age_ms: age, problems } = store.figures;
  if (store.silence) {
    return [t("Nothing has come from the board for {span}: all that is shown is at least as old. The page tries to reach it again.", { span: span(store.silence) })];
  }
  return [
    missing === null ? "" : t("There is no campaign {id} on the board.", { id: missing }),
    redis ? "" : t("Redis does not answer: the board shows what it last said, and goes on when it is back."),
    broker ? "" : t("The broker did not take the last record: decisions and alerts may fail until it does."),
    ...(redis ? problems : []),
    ...store.alerts.map(({ alert, summary }) => t("Alert {alert}: {summary}.", { alert, summary })),
  ].filter(Boolean).concat(problems.length && age !== null ? [t("Figures are {span} old.", { span: span(age) })] : []);
}

let saidAt = 0;
/** The same words with other numbers are said anew only so often: screen readers read each change aloud. */
const SAID_EVERY_MS = 10_000;
const wordsOf = (text) => text.replace(/\d+/g, "");

function showNotice() {
  const text = notices().join(" "), { age_ms: age } = store.figures, notice = byId("notice");
  setText(byId("age"), age === null ? "" : t("· figures {span} old", { span: span(age) }));
  if (wordsOf(text) === wordsOf(notice.textContent) && Date.now() - saidAt < SAID_EVERY_MS) return;
  saidAt = Date.now();
  setText(notice, text);
  setHidden(notice, !text);
}

// --- today ------------------------------------------------------------------------------------------

const shown = {};
let todayTimer = null;

/** Draws today soon; never more often than the eye reads. */
function requestToday() {
  todayTimer ??= setTimeout(() => {
    todayTimer = null;
    const nowMs = Date.now();
    if (store.isKnown && document.body.dataset.place === "today") showToday(linesOf({ cards: store.cards, entries, readings, alike, split, sinceMs: visit.sinceMs, verdicts: visit.verdicts, nowMs }), visit.sinceMs, shown);
  }, store.isKnown && shown.state !== undefined ? TODAY_EVERY_MS : 0);
}

async function readReadings() {
  try {
    ({ campaigns: readings, alike, split } = await api.readings("24h"));
  } catch {
    return; // the notice says that Redis does not answer
  }
  requestToday();
}

// --- places: today, the board, a campaign -------------------------------------------------------------

const PLACES = { "/": "today", "/board": "board", "/customers": "customers", "/past": "past", "/forecast": "forecast" };
/** Places that are read anew each time. */
const SHEETS = { "/customers": showCustomers, "/past": showPast, "/forecast": showForecast };
let home = "/";
/** The campaign that the address names and the board does not have. */
let missing = null;

/** Shows what the address names. */
function showPlace() {
  const campaign = /^\/campaigns\/(.+)$/.exec(location.pathname);
  if (!campaign) home = location.pathname in PLACES ? location.pathname : "/";
  for (const [path, id] of Object.entries(PLACES)) {
    setHidden(byId(id), path !== home);
    setAttribute(document.querySelector(`nav.places a[href="${path}"]`), "aria-current", path === home ? "page" : "false");
  }
  document.body.dataset.place = PLACES[home];
  if (home === "/board") view.request();
  else if (home in SHEETS) SHEETS[home](store);
  else requestToday();
  if (!store.isKnown) return;
  const dialog = byId("details");
  missing = null;
  if (!campaign) {
    showNotice();
    dialog.onclose = null;
    if (dialog.open) dialog.close();
    return;
  }
  const id = decodeURIComponent(campaign[1]);
  if (store.cards.has(id)) openDetails(store, id, decideFromDetails, () => leave(id));
  else missing = id;
  showNotice();
}

function go(path) {
  if (location.pathname !== path) history.pushState(null, "", path === "/board" ? path + viewInAddress() : path);
  showPlace();
}

// --- the view in the address: a board as it is looked at can be kept and shared -------------------------

const PLAIN = { filter: "", window: "24h", order: "attention" };

function viewInAddress() {
  const told = Object.entries(PLAIN).filter(([name, plain]) => view[name] !== plain).map(([name]) => [name, view[name]]);
  return told.length ? `?${new URLSearchParams(told)}` : "";
}

function takeViewFromAddress() {
  const told = new URLSearchParams(location.search);
  view.filter = told.get("filter") ?? PLAIN.filter;
  view.window = told.get("window") ?? PLAIN.window;
  const order = told.get("order"), orders = [...byId("order").options].map((each) => each.value);
  view.order = orders.includes(order) ? order : PLAIN.order;
  byId("filter").value = view.filter;
  byId("order").value = view.order;
}

/** Takes a choice into the view, and the view into the address. */
function look(name, value) {
  view[name] = value;
  if (location.pathname === "/board") history.replaceState(null, "", `/board${viewInAddress()}`);
  if (name === "window") view.requestAll();
  if (name !== "window" || view.order === "roi") view.rearrange();
}

const open = (id) => go(`/campaigns/${encodeURIComponent(id)}`);

/** Back from a campaign to where it was opened. */
function leave(id) {
  go(home);
  if (home === "/board") view.focus(id);
  else document.querySelector(`#today-list [data-open="${CSS.escape(id)}"]`)?.focus();
}

function decideOn(id, begun) {
  if (document.body.dataset.role === "look") return announce(t("You may look here, and decide nothing."));
  decide(store, view, id, begun);
}

function decideFromDetails(id, begun) {
  go(home);
  decideOn(id, begun);
}

// --- trail ------------------------------------------------------------------------------------------

async function readTrail() {
  ({ entries } = await api.trail());
  requestToday();
}

async function openTrail() {
  const dialog = byId("trail");
  dialog.querySelector(".body").replaceChildren(h("p", {}, t("Reading …")));
  dialog.showModal();
  try {
    await readTrail();
    showTrail();
  } catch (error) {
    dialog.querySelector(".body").replaceChildren(h("p.error", {}, error.message));
  }
}

function showTrail() {
  byId("trail").querySelector(".body").replaceChildren(trailList(entries, store, true));
}

// --- hands ------------------------------------------------------------------------------------------

function onBoardClick(event) {
  const id = event.target.closest(".card")?.dataset.campaign;
  if (!id) return;
  const button = event.target.closest("button");
  if (event.target.classList.contains("pick")) selection.toggle(id, event.shiftKey);
  else if (!button && (selection.isOn || event.ctrlKey || event.metaKey)) pick(id, event.shiftKey);
  else if (!button) open(id);
  else if (button.classList.contains("move")) decideOn(id, { verb: "move" });
  else if (button.classList.contains("approve")) decideOn(id, { verb: "approve" });
  else if (button.classList.contains("reject")) decideOn(id, { verb: "reject" });
}

function onTodayClick(event) {
  const { verb, campaign } = event.target.closest("[data-verb]")?.dataset ?? {};
  if (verb) decideOn(campaign, { verb });
}

/** Links within the board change the place without loading the page anew. */
function onLink(event) {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.getAttribute("href"));
}

function offerLanguages() {
  const select = byId("language"), names = (code) => new Intl.DisplayNames([code], { type: "language" }).of(code);
  select.replaceChildren(...languages.map((code) => h("option", { value: code, lang: code }, names(code))));
  select.value = language;
  select.addEventListener("change", () => choose(select.value));
}

/** Takes a card into the selection or out of it; who may only look selects nothing. */
function pick(id, isRange) {
  if (document.body.dataset.role === "look") return announce(t("You may look here, and decide nothing."));
  selection.toggle(id, isRange);
}

/** Opens a campaign where it can be commented on. */
function comment(id) {
  open(id);
  byId("details").querySelector("textarea")?.focus();
}

/** Shows who is logged in; who may only look sees no button that decides. */
function showWho({ name, role, people }) {
  document.body.dataset.role = role;
  store.people = people;
  setText(byId("who"), role === "look" ? t("{name} (looks only)", { name }) : name);
}

/** Logs in where that is needed, and follows the stream. */
async function start(pauseMs) {
  showWho(await login());
  setTimeout(() => follow(listeners), pauseMs);
  readReadings();
  SHEETS[home]?.(store);
  readTrail().catch(() => null); // the audit trail itself says what is wrong
}

const selection = new Selection(view, (ids, verb) => decideOnMany(store, ids, verb, () => {
  selection.end();
  view.request();
}));
view.onDraw = () => selection.isOn && selection.show();
enableDrag(view, (id, column) => decideOn(id, { verb: "move", column }));
enableKeyboard(view, {
  open,
  move: (id) => decideOn(id, { verb: "move" }),
  approve: (id) => decideOn(id, { verb: "approve" }),
  reject: (id) => decideOn(id, { verb: "reject" }),
  comment,
  pick: (id) => pick(id, false),
  endPicking: () => selection.isOn && selection.end(),
});
byId("select").addEventListener("click", () => selection.isOn ? selection.end() : selection.begin());
byId("board").addEventListener("click", onBoardClick);
byId("today").addEventListener("click", onTodayClick);
document.addEventListener("click", onLink);
addEventListener("popstate", () => {
  if (location.pathname === "/board") {
    takeViewFromAddress();
    view.requestAll();
    view.rearrange();
  }
  showPlace();
});
byId("filter").addEventListener("input", (event) => look("filter", event.target.value));
byId("window").addEventListener("change", (event) => look("window", event.target.value));
byId("order").addEventListener("change", (event) => look("order", event.target.value));
byId("export").addEventListener("click", () => {
  const cards = view.visibleIds().map((id) => store.cards.get(id));
  save(csvOf(cards, view.window), `roistream-${new Date().toISOString().slice(0, 10)}.csv`);
});
byId("picture").addEventListener("click", () => savePicture(drawBoard(view), `roistream-${new Date().toISOString().slice(0, 10)}.png`));
byId("open-trail").addEventListener("click", openTrail);
byId("open-simulation").addEventListener("click", () => openSimulation(store));
byId("open-help").addEventListener("click", () => byId("help").showModal());
byId("logout").addEventListener("click", async () => { await api.logout().catch(() => null); location.reload(); });
for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
// Words about what waits change with time, not only with news.
setInterval(() => {
  if (!store.pending.size) return;
  for (const id of store.pending.keys()) store.dirty.add(id);
  view.request();
}, PATIENCE_MS / 3);
setInterval(readReadings, READINGS_EVERY_MS);
setInterval(() => { if (home === "/customers" && !document.hidden) showCustomers(store); }, CUSTOMERS_EVERY_MS);
setInterval(() => { if (store.isKnown && !document.hidden) visit.keep(store.cards, Date.now()); }, KEEP_EVERY_MS);
offerLanguages();
takeViewFromAddress();
showPlace();
start(0);
