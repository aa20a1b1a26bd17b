// Keys on the board. Letters work only while a card has the focus, so that they disturb no typing.

import { byId } from "./dom.js";
import { COLUMNS } from "./store.js";

/**
 * @param {import("./view.js").View} view
 * @param {{open: Function, move: Function, approve: Function, reject: Function, comment: Function, pick: Function, endPicking: Function}} actions
 *   each takes a campaign, but for the last
 */
export function enableKeyboard(view, actions) {
  byId("board").addEventListener("focusin", (event) => {
    const id = event.target.closest(".card")?.dataset.campaign;
    if (id && id !== view.currentId) view.makeCurrent(id);
  });

  byId("board").addEventListener("keydown", (event) => {
    const card = event.target.closest(".card");
    if (event.key === "ArrowDown" && event.target.matches(".column > ul")) enter(event);
    if (event.key === "Escape") actions.endPicking();
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnCard = event.target === card, id = card.dataset.campaign;
    const handled = event.key.startsWith("Arrow") ? step(id, event.key)
      : isOnCard ? letter(id, event.key) : false;
    if (handled) event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, select, textarea, dialog");
    if (event.key === "/" && !isTyping && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      byId("filter").focus();
    }
  });

  /** From a column to its first card. */
  function enter(event) {
    const [first] = view.visibleIds(event.target.closest(".column").dataset.column);
    if (!first) return;
    event.preventDefault();
    view.focus(first);
  }

  function letter(id, key) {
    const action = { Enter: actions.open, m: actions.move, a: actions.approve, r: actions.reject, c: actions.comment, x: actions.pick }[key.length === 1 ? key.toLowerCase() : key];
    action?.(id);
    return Boolean(action);
  }

  function step(id, key) {
    const column = view.parts.get(id).item.closest(".column").dataset.column;
    const here = view.visibleIds(column), at = here.indexOf(id);
    const next = key === "ArrowUp" ? here[at - 1] : key === "ArrowDown" ? here[at + 1]
      : beside(column, at, key === "ArrowLeft" ? -1 : 1);
    if (next) view.focus(next);
    return true;
  }

  /** The card at the same height in the next column that has any. */
  function beside(column, at, direction) {
    for (let number = COLUMNS.indexOf(column) + direction; COLUMNS[number]; number += direction) {
      const there = view.visibleIds(COLUMNS[number]);
      if (there.length) return there[Math.min(at, there.length - 1)];
    }
    return null;
  }
}
