// The page put together: login, stream, board, dialogs.

import { api } from "./api.js";
import { decide } from "./decide.js";
import { openDetails } from "./details.js";
import { announce, byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { enableDrag } from "./drag.js";
import { span } from "./format.js";
import { enableKeyboard } from "./keyboard.js";
import { follow } from "./live.js";
import { login } from "./login.js";
import { openSimulation } from "./simulate.js";
import { nameOf, PATIENCE_MS, Store } from "./store.js";
import { trailList } from "./trail.js";
import { View } from "./view.js";

const store = new Store(), view = new View(store);
const decideOn = (id, begun) => decide(store, view, id, begun);
const open = (id) => openDetails(store, view, id, decideOn);
let entries = [];
/** A stream that the board refused is asked for again, but not at once. */
const AGAIN_MS = 3000;

const listeners = {
  board(board) {
    const { moves, answers } = store.take(board);
    offerWindows();
    view.request();
    tell(moves, answers);
  },
  trail(news) {
    if (byId("trail").open) {
      entries = [...[...news].reverse(), ...entries].slice(0, 1000);
      showTrail();
    }
  },
  health(health) {
    Object.assign(store.health, health);
    showNotice();
  },
  figures(figures) {
    store.figures = figures;
    showNotice();
  },
  silence(silence) {
    store.silence = silence;
    showNotice();
  },
  state(state) {
    setAttribute(byId("live"), "data-state", state);
    setText(byId("live-text"), state);
    if (state === "closed") start(AGAIN_MS); // the session is over, or the board takes no more pages
  },
};

/** Says to who does not see the page what moved, and what came of what was sent. */
function tell(moves, answers) {
  const texts = [
    ...moves.map(({ card, from }) => `${nameOf(card)} moved from ${from} to ${card.column}`),
    ...answers.filter((card) => card.reason).map((card) => `${nameOf(card)}: ${card.reason}`),
  ];
  if (!texts.length) return;
  announce(texts.slice(0, 3).join(". ") + (texts.length > 3 ? `. And ${texts.length - 3} more` : ""));
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
    return [`Nothing has come from the board for ${span(store.silence)}: all that is shown is at least as old. The page tries to reach it again.`];
  }
  return [
    redis ? "" : "Redis does not answer: the board shows what it last said, and goes on when it is back.",
    broker ? "" : "The broker did not take the last record: decisions and alerts may fail until it does.",
    ...(redis ? problems : []),
  ].filter(Boolean).concat(problems.length && age !== null ? [`Figures are ${span(age)} old.`] : []);
}

let saidAt = 0;
/** The same words with other numbers are said anew only so often: screen readers read each change aloud. */
const SAID_EVERY_MS = 10_000;
const wordsOf = (text) => text.replace(/\d+/g, "");

function showNotice() {
  const text = notices().join(" "), { age_ms: age } = store.figures, notice = byId("notice");
  setText(byId("age"), age === null ? "" : `figures ${span(age)} old`);
  if (wordsOf(text) === wordsOf(notice.textContent) && Date.now() - saidAt < SAID_EVERY_MS) return;
  saidAt = Date.now();
  setText(notice, text);
  setHidden(notice, !text);
}

async function openTrail() {
  const dialog = byId("trail");
  dialog.querySelector(".body").replaceChildren(h("p", {}, "Reading …"));
  dialog.showModal();
  try {
    ({ entries } = await api.trail());
    showTrail();
  } catch (error) {
    dialog.querySelector(".body").replaceChildren(h("p.error", {}, error.message));
  }
}

function showTrail() {
  byId("trail").querySelector(".body").replaceChildren(trailList(entries, store, true));
}

function onClick(event) {
  const id = event.target.closest(".card")?.dataset.campaign;
  if (!id) return;
  const button = event.target.closest("button");
  if (!button) open(id);
  else if (button.classList.contains("move")) decideOn(id, { verb: "move" });
  else if (button.classList.contains("approve")) decideOn(id, { verb: "approve" });
  else if (button.classList.contains("reject")) decideOn(id, { verb: "reject" });
}

/** Logs in where that is needed, and follows the stream. */
async function start(pauseMs) {
  await login();
  setTimeout(() => follow(listeners), pauseMs);
}

enableDrag(view, (id, column) => decideOn(id, { verb: "move", column }));
enableKeyboard(view, {
  open,
  move: (id) => decideOn(id, { verb: "move" }),
  approve: (id) => decideOn(id, { verb: "approve" }),
  reject: (id) => decideOn(id, { verb: "reject" }),
});
byId("board").addEventListener("click", onClick);
byId("filter").addEventListener("input", (event) => { view.filter = event.target.value; view.requestAll(); });
byId("window").addEventListener("change", (event) => { view.window = event.target.value; view.requestAll(); });
byId("order").addEventListener("change", (event) => { view.order = event.target.value; view.requestAll(); });
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
start(0);
