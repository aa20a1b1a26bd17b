// The board: columns with their cards in order. Draws at most once per frame, only what differs, and never much at once.

import { makeCard, updateCard } from "./card.js";
import { byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { columnName, modeName, money } from "./format.js";
import { n, t } from "./i18n.js";
import { outOfOrder } from "./order.js";
import { COLUMNS, nameOf, sortCards } from "./store.js";

/** Of a frame's 16 ms; what is left to draw then waits for the next, so that scrolling and dragging go on. */
const BUDGET_MS = 8;
/** While cards wait to be drawn, those that are drawn take their places so often. */
const ARRANGE_EVERY_MS = 250;
/** Rows of cards that a browser may draw at once, since they stand in view or near it: it draws one and a half screens beyond. */
const NEAR_ROWS = 20;
/** So many of them come with a frame, and so many cards of the rows beyond: what a card costs the browser is not measured here. */
const NEAR_ROWS_A_FRAME = 2, FAR_CARDS_A_FRAME = 40;

export class View {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.parts = new Map();
    this.columns = new Map();
    this.window = "24h";
    this.order = "attention";
    this.filter = "";
    /** While a card is dragged, nothing moves under it. */
    this.isFrozen = false;
    this.currentId = null;
    /** Called after each drawing. */
    this.onDraw = () => null;
    this.#requested = false;
    this.#makeColumns();
  }

  #requested;

  #hasBegun = false;

  #arrangedAt = -Infinity;

  /** Whether cards have changed since they took their places. */
  #isStale = true;

  /** So many rows of each column are drawn, and shown; the rest follows, frame by frame. */
  #rows = 0;

  #makeColumns() {
    for (const name of COLUMNS) {
      const section = byId("column-template").content.firstElementChild.cloneNode(true);
      section.dataset.column = name;
      section.setAttribute("aria-label", columnName(name));
      const find = (selector) => section.querySelector(selector);
      find("h2").textContent = columnName(name);
      find("ul").setAttribute("aria-label", t("Cards in {column}", { column: columnName(name) }));
      const tab = h("button", { type: "button", onclick: () => section.scrollIntoView({ behavior: "smooth", inline: "start", block: "nearest" }) });
      this.columns.set(name, {
        section, tab, list: find("ul"), count: find(".count"), money: find(".money"),
        limit: find(".limit"), fill: find(".limit i"), empty: find(".empty"), ids: [], astray: new Set(),
      });
      byId("board").append(section);
      byId("tabs").append(tab);
    }
  }

  /** Asks for a frame. */
  request() {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      this.draw();
    });
  }

  /** Draws everything anew: another window. */
  requestAll() {
    for (const id of this.store.cards.keys()) this.store.dirty.add(id);
    this.request();
  }

  /** Begins anew from the top of each column: another order or filter. */
  rearrange() {
    this.#isStale = true;
    this.#rows = 0;
    this.#arrangedAt = -Infinity;
    this.request();
  }

  draw() {
    if (this.isFrozen) return;
    // Cards that nobody sees are drawn when somebody comes to see them.
    if (document.body.dataset.place !== "board") return this.#totals();
    const { store } = this, end = performance.now() + BUDGET_MS;
    this.#isStale ||= store.removed.size > 0 || store.dirty.size > 0;
    for (const id of store.removed) this.#drop(id);
    store.removed.clear();
    for (const id of store.dirty) {
      store.dirty.delete(id);
      if (this.parts.has(id)) this.#update(id); // others are made when it is their row's turn
      if (performance.now() > end) break;
    }
    if (this.#isStale && (!store.dirty.size || performance.now() >= this.#arrangedAt + ARRANGE_EVERY_MS)) {
      this.#arrangedAt = performance.now();
      this.#isStale = false;
      this.#arrange();
      this.#begin();
      this.#totals();
    }
    const isComplete = this.#deepen(end);
    this.#keepCurrent();
    if (store.dirty.size || this.#isStale || !isComplete) this.request();
    this.onDraw();
  }

  /** A screen that shows one column begins with the first that has cards. */
  #begin() {
    const board = byId("board");
    if (this.#hasBegun || !this.store.cards.size || !board.clientWidth) return;
    this.#hasBegun = true;
    const sections = [...this.columns.values()], first = sections.find(({ ids }) => ids.length);
    if (first && board.scrollWidth > board.clientWidth) board.scrollLeft = first.section.offsetLeft - sections[0].section.offsetLeft;
  }

  #drop(id) {
    this.parts.get(id)?.item.remove();
    this.parts.delete(id);
    for (const column of this.columns.values()) column.ids = column.ids.filter((each) => each !== id);
    if (this.currentId === id) this.currentId = null;
  }

  #update(id) {
    const card = this.store.cards.get(id);
    if (card) updateCard(this.parts.get(id), card, this.window, this.store.pending.get(id), this.store.effects.get(id));
  }

  /** Says which campaigns stand in each column, in order, and which of their cards must move; cards of no shown row go away. */
  #arrange() {
    const wanted = this.filter.trim().toLowerCase();
    const groups = new Map(COLUMNS.map((name) => [name, []]));
    for (const card of this.store.cards.values()) groups.get(card.column)?.push(card);
    const shown = new Set();
    for (const [name, cards] of groups) {
      sortCards(cards, this.order, this.window);
      const column = this.columns.get(name);
      column.ids = cards.filter((card) => !wanted || [nameOf(card), card.campaign_id, card.channel ?? ""].some((text) => text.toLowerCase().includes(wanted)))
        .map((card) => card.campaign_id);
      column.astray = outOfOrder(column.list, column.ids.filter((id) => this.parts.has(id)).map((id) => this.parts.get(id).item));
      for (const id of column.ids.slice(0, this.#rows)) shown.add(id);
      this.#head(name, column, cards, column.ids.length, wanted !== "");
    }
    for (const [id, { item }] of this.parts) if (!shown.has(id)) setAway(item, true);
  }

  /** Shows further rows, as many as a frame bears; whether all are shown. */
  #deepen(end) {
    const columns = [...this.columns.values()], most = Math.max(...columns.map(({ ids }) => ids.length));
    const focused = document.activeElement;
    for (const column of columns) for (let row = 0; row < Math.min(this.#rows, column.ids.length); row += 1) this.#show(column, row);
    const isNear = this.#rows < NEAR_ROWS, last = isNear ? Math.min(most, this.#rows + NEAR_ROWS_A_FRAME) : most;
    let left = isNear ? Infinity : FAR_CARDS_A_FRAME;
    while (this.#rows < last && left > 0) {
      for (const column of columns) if (this.#rows < column.ids.length) left -= this.#show(column, this.#rows);
      this.#rows += 1;
      if (!isNear && performance.now() > end) break;
    }
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    return this.#rows >= most;
  }

  /** Shows the card of a row, and makes it where there is none yet; moves no node that stands right, so that focus and scroll stay. How many cards had to be touched, 0 or 1. */
  #show(column, row) {
    const id = column.ids[row], isMade = this.parts.has(id);
    if (!isMade) {
      this.parts.set(id, makeCard(id));
      this.#update(id);
      if (id === this.currentId) this.makeCurrent(id);
    }
    const { item } = this.parts.get(id), isMoved = !isMade || column.astray.delete(item), isAway = item.classList.contains("away");
    if (isMoved) column.list.insertBefore(item, row ? this.parts.get(column.ids[row - 1]).item.nextSibling : column.list.firstChild);
    setAway(item, false);
    return isMoved || isAway ? 1 : 0;
  }

  #head(name, column, cards, shown, isFiltered) {
    const limits = this.store.columns[name] ?? {};
    const currency = cards[0]?.currency ?? this.#anyCurrency();
    const room = limits.limit_campaigns ?? null;
    const count = isFiltered ? t("{shown} of {all}", { shown, all: cards.length }) : room === null ? `${cards.length}` : `${cards.length} / ${room}`;
    setText(column.count, count);
    setAttribute(column.count, "aria-label", room === null ? n("{count} campaign", "{count} campaigns", cards.length)
      : n("{count} campaign, room for {room}", "{count} campaigns, room for {room}", cards.length, { room }));
    const sum = limits.sum_micros ?? cards.reduce((total, card) => total + card.card_micros, 0);
    const most = limits.limit_micros ?? null;
    setText(column.money, most === null ? t("{sum} in cards", { sum: money(sum, currency) })
      : t("{sum} of {most} in cards", { sum: money(sum, currency), most: money(most, currency) }));
    setHidden(column.limit, room === null && most === null);
    const fill = Math.max(room ? cards.length / room : 0, most ? sum / most : 0);
    column.fill.style.width = `${Math.min(100, fill * 100).toFixed(0)}%`;
    setAttribute(column.section, "data-full", String(fill >= 1));
    setAttribute(column.count, "data-note", fill >= 1 ? ` ${t("full")}` : "");
    setHidden(column.empty, shown > 0);
    setText(column.tab, `${columnName(name)} ${cards.length}`);
  }

  #anyCurrency() {
    for (const card of this.store.cards.values()) return card.currency;
    return "EUR";
  }

  #totals() {
    const cards = [...this.store.cards.values()], currency = this.#anyCurrency();
    const spent = cards.reduce((total, each) => total + each.spent_micros, 0);
    const budget = cards.reduce((total, each) => total + each.budget_micros, 0);
    setText(byId("totals"), cards.length ? n("{count} campaign · {spent} of {budget} spent", "{count} campaigns · {spent} of {budget} spent", cards.length,
      { spent: money(spent, currency), budget: money(budget, currency) }) : "");
    const modes = new Set(cards.map((each) => each.mode));
    setHidden(byId("mode"), modes.size === 0);
    setText(byId("mode"), [...modes].sort().map(modeName).join(", "));
    setAttribute(byId("mode"), "title", MODES[[...modes][0]] ?? "");
  }

  /** The one card that Tab reaches; arrows go on from there. */
  #keepCurrent() {
    const isThere = this.currentId !== null && this.parts.has(this.currentId) && !this.parts.get(this.currentId).item.classList.contains("away");
    if (!isThere) this.makeCurrent(this.visibleIds()[0] ?? null);
  }

  makeCurrent(id) {
    for (const [each, index] of [[this.currentId, -1], [id, 0]]) {
      const parts = this.parts.get(each);
      if (!parts) continue;
      for (const node of [parts.article, parts.pick, parts.move, parts.approve, parts.reject]) node.tabIndex = index;
    }
    this.currentId = id;
  }

  /** Campaigns of a column that the filter lets through, from top to bottom, or of all columns. */
  visibleIds(column = null) {
    return column ? this.columns.get(column).ids : [...this.columns.values()].flatMap(({ ids }) => ids);
  }

  focus(id) {
    const column = this.columns.get(this.store.cards.get(id)?.column), row = column?.ids.indexOf(id) ?? -1;
    for (let at = 0; at <= row; at += 1) this.#show(column, at);
    if (!this.parts.has(id)) return;
    this.makeCurrent(id);
    const { article } = this.parts.get(id);
    article.focus();
    article.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

/** A card that is away takes no room and nobody meets it; what the browser has laid out of it stays for when it is back. */
const setAway = (item, isAway) => item.classList.toggle("away", isAway);

const MODES = {
  observe: t("observe: decisions are written down, nothing is done"),
  propose: t("propose: decisions wait for a person's approval"),
  enforce: t("enforce: ad platforms obey decisions"),
};
