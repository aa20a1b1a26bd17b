// Dragging a card to another column, by mouse, pen or finger (by its grip, so that a finger can still scroll).

import { byId } from "./dom.js";

const THRESHOLD_PX = 6, EDGE_PX = 60, SCROLL_PX = 9;

/**
 * @param {import("./view.js").View} view
 * @param {(id: string, column: string) => void} onDrop a card was dropped on a column that is not its own
 */
export function enableDrag(view, onDrop) {
  const board = byId("board");
  let drag = null;

  board.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".card");
    if (document.body.dataset.role === "look") return;
    if (!card || event.button !== 0 || event.target.closest("button, select, a, input")) return;
    if (event.pointerType !== "mouse" && !event.target.closest(".grip")) return;
    drag = { id: card.dataset.campaign, card, pointer: event.pointerId, x: event.clientX, y: event.clientY, ghost: null, over: null, frame: 0 };
  });

  window.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    if (!drag.ghost) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < THRESHOLD_PX) return;
      begin();
    }
    event.preventDefault();
    follow(event);
  }, { passive: false });

  function begin() {
    const box = drag.card.getBoundingClientRect();
    const ghost = drag.card.cloneNode(true);
    ghost.className = "card ghost";
    ghost.removeAttribute("tabindex");
    ghost.setAttribute("aria-hidden", "true");
    ghost.style.width = `${box.width}px`;
    drag.offset = { x: drag.x - box.left, y: drag.y - box.top };
    drag.ghost = ghost;
    document.body.append(ghost);
    drag.card.classList.add("dragged");
    document.body.classList.add("dragging");
    getSelection()?.removeAllRanges();
    view.isFrozen = true;
    drag.frame = requestAnimationFrame(scrollAtEdges);
  }

  function follow(event) {
    drag.at = { x: event.clientX, y: event.clientY };
    drag.ghost.style.transform = `translate(${event.clientX - drag.offset.x}px, ${event.clientY - drag.offset.y}px) rotate(1.5deg)`;
    mark();
  }

  function mark() {
    const column = document.elementFromPoint(drag.at.x, drag.at.y)?.closest(".column") ?? null;
    if (column === drag.over) return;
    drag.over?.classList.remove("over");
    column?.classList.add("over");
    drag.over = column;
  }

  /** Held at an edge, the board goes on under the card. */
  function scrollAtEdges() {
    if (!drag?.ghost) return;
    const { left, right } = board.getBoundingClientRect(), x = drag.at?.x ?? (left + right) / 2;
    const step = x < left + EDGE_PX ? -SCROLL_PX : x > right - EDGE_PX ? SCROLL_PX : 0;
    if (step) {
      board.scrollLeft += step;
      mark();
    }
    drag.frame = requestAnimationFrame(scrollAtEdges);
  }

  function end(isDropped) {
    if (!drag) return;
    const { id, card, ghost, over, frame } = drag;
    drag = null;
    if (!ghost) return;
    cancelAnimationFrame(frame);
    ghost.remove();
    over?.classList.remove("over");
    card.classList.remove("dragged");
    document.body.classList.remove("dragging");
    view.isFrozen = false;
    view.request();
    const from = card.closest(".column")?.dataset.column, to = over?.dataset.column;
    // The click that follows the release must not open the card.
    const swallow = (event) => event.stopPropagation();
    window.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
    if (isDropped && to && to !== from) onDrop(id, to);
  }

  window.addEventListener("pointerup", (event) => { if (drag?.pointer === event.pointerId) end(true); });
  window.addEventListener("pointercancel", (event) => { if (drag?.pointer === event.pointerId) end(false); });
  window.addEventListener("keydown", (event) => { if (event.key === "Escape" && drag?.ghost) end(false); });
  window.addEventListener("blur", () => end(false));
}
