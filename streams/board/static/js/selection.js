// Which cards are selected, and the bar that says so and acts on all of them.

import { byId, h, setAttribute, setHidden, setText } from "./dom.js";
import { money } from "./format.js";
import { n, t } from "./i18n.js";

const VERBS = [["move", t("Move …")], ["pause", t("Pause …")], ["resume", t("Resume …")], ["approve", t("Approve …")], ["reject", t("Reject …")]];

export class Selection {
  /**
   * @param {import("./view.js").View} view
   * @param {(ids: Array<string>, verb: string) => void} act
   */
  constructor(view, act) {
    this.view = view;
    this.ids = new Set();
    this.isOn = false;
    this.last = null;
    this.text = h("p", { role: "status" });
    const verbs = VERBS.map(([verb, text]) => h("button.deciding", { type: "button", onclick: () => act(this.present(), verb) }, text));
    byId("selection").append(this.text, h("button", { type: "button", onclick: () => this.all() }, t("All that are shown")), ...verbs,
      h("button", { type: "button", onclick: () => this.end() }, t("End")));
    this.buttons = verbs;
  }

  /** The selected campaigns that still have a card, in the order of the board. */
  present() {
    return this.view.visibleIds().filter((id) => this.ids.has(id));
  }

  begin() {
    this.isOn = true;
    this.show();
  }

  end() {
    this.isOn = false;
    this.ids.clear();
    this.show();
  }

  all() {
    for (const id of this.view.visibleIds()) this.ids.add(id);
    this.show();
  }

  /** Takes a card in or out; with `isRange` all cards of its column between it and the one before. */
  toggle(id, isRange = false) {
    this.isOn = true;
    const column = this.view.visibleIds(this.view.store.cards.get(id)?.column), from = column.indexOf(this.last), to = column.indexOf(id);
    if (isRange && from >= 0 && to >= 0) for (const each of column.slice(Math.min(from, to), Math.max(from, to) + 1)) this.ids.add(each);
    else if (!this.ids.delete(id)) this.ids.add(id);
    this.last = id;
    this.show();
  }

  /** Brings marks and sums up to date; called after each drawing too, since cards come and go. */
  show() {
    setHidden(byId("selection"), !this.isOn);
    setAttribute(document.body, "data-selecting", String(this.isOn));
    setAttribute(byId("select"), "aria-pressed", String(this.isOn));
    for (const [id, parts] of this.view.parts) {
      const isPicked = this.ids.has(id);
      if (parts.pick.checked !== isPicked) parts.pick.checked = isPicked;
      parts.article.classList.toggle("picked", isPicked);
    }
    if (!this.isOn) return;
    const cards = this.present().map((id) => this.view.store.cards.get(id)).filter(Boolean), currency = cards[0]?.currency;
    const sum = (name) => money(cards.reduce((total, each) => total + each[name], 0), currency);
    setText(this.text, cards.length ? n("{count} campaign selected · {spent} of {budget} spent", "{count} campaigns selected · {spent} of {budget} spent", cards.length,
      { spent: sum("spent_micros"), budget: sum("budget_micros") }) : t("No campaign is selected."));
    for (const button of this.buttons) button.disabled = !cards.length;
  }
}
