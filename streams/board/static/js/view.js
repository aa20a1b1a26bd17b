// The board: columns with their cards in order. Draws at most once per frame, and only what differs.

import { makeCard, updateCard } from "./card.js";
import { byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { columnName, modeName, money } from "./format.js";
import { n, t } from "./i18n.js";
import { COLUMNS, nameOf, sortCards } from "./store.js";

/** Of a frame's 16 ms; what is left to draw then waits for the next, so that scrolling and dragging go on. */
const BUDGET_MS = 8;
/** While cards wait to be drawn, those that are drawn take their places so often. */
const ARRANGE_EVERY_MS = 250;

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
        limit: find(".limit"), fill: find(".limit i"), empty: find(".empty"),
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

  /** Draws everything anew: another window, order or filter. */
  requestAll() {
    for (const id of this.store.cards.keys()) this.store.dirty.add(id);
    this.request();
  }

  draw() {
    if (this.isFrozen) return;
    // Cards that nobody sees are drawn when somebody comes to see them.
    if (document.body.dataset.place !== "board") return this.#totals();
    const { store } = this;
    for (const id of store.removed) this.#drop(id);
    store.removed.clear();
    const end = performance.now() + BUDGET_MS;
    for (const id of store.dirty) {
      store.dirty.delete(id);
      this.#update(id);
      if (performance.now() > end) break;
    }
    if (store.dirty.size) {
      this.request();
      if (performance.now() < this.#arrangedAt + ARRANGE_EVERY_MS) return;
    }
    this.#arrangedAt = performance.now();
    this.#arrange();
    this.#begin();
    this.#totals();
    this.onDraw();
  }

  /** A screen that shows one column begins with the first that has cards. */
  #begin() {
    const board = byId("board");
    if (this.#hasBegun || this.store.dirty.size || !this.parts.size || !board.clientWidth) return;
    this.#hasBegun = true;
    const sections = [...this.columns.values()], first = sections.find(({ list }) => list.children.length);
    if (first && board.scrollWidth > board.clientWidth) board.scrollLeft = first.section.offsetLeft - sections[0].section.offsetLeft;
  }

  #drop(id) {
    this.parts.get(id)?.item.remove();
    this.parts.delete(id);
    if (this.currentId === id) this.currentId = null;
  }

  #update(id) {
    const card = this.store.cards.get(id);
    if (!card) return;
    let parts = this.parts.get(id);
    if (!parts) {
      parts = makeCard(id);
      this.parts.set(id, parts);
    }
    updateCard(parts, card, this.window, this.store.pending.get(id), this.store.effects.get(id));
  }

  /** Puts each card into its column, in order; moves no node that stands right, so that focus and scroll stay. */
  #arrange() {
    const wanted = this.filter.trim().toLowerCase();
    const groups = new Map(COLUMNS.map((name) => [name, []]));
    for (const card of this.store.cards.values()) if (this.parts.has(card.campaign_id)) groups.get(card.column)?.push(card);
    const focused = document.activeElement;
    for (const [name, cards] of groups) {
      sortCards(cards, this.order, this.window);
      const column = this.columns.get(name);
      let shown = 0;
      cards.forEach((card, at) => {
        const { item } = this.parts.get(card.campaign_id);
        const isShown = !wanted || [nameOf(card), card.campaign_id, card.channel ?? ""].some((text) => text.toLowerCase().includes(wanted));
        setHidden(item, !isShown);
        shown += isShown;
        if (column.list.children[at] !== item) column.list.insertBefore(item, column.list.children[at] ?? null);
      });
      this.#head(name, column, cards, shown, wanted !== "");
    }
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    this.#keepCurrent();
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
    const isThere = this.currentId !== null && this.parts.has(this.currentId) && !this.parts.get(this.currentId).item.hidden;
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

  /** Shown campaigns of a column from top to bottom, or of all columns. */
  visibleIds(column = null) {
    const lists = column ? [this.columns.get(column).list] : [...this.columns.values()].map((each) => each.list);
    return lists.flatMap((list) => [...list.children].filter((item) => !item.hidden).map((item) => item.firstElementChild.dataset.campaign));
  }

  focus(id) {
    this.makeCurrent(id);
    const { article } = this.parts.get(id);
    article.focus();
    article.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

const MODES = {
  observe: t("observe: decisions are written down, nothing is done"),
  propose: t("propose: decisions wait for a person's approval"),
  enforce: t("enforce: ad platforms obey decisions"),
};
