// What people say about a campaign, beside what they decide: a text that mentions others, and the sending of it.

import { api } from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { newId } from "./ids.js";
import { piecesOf } from "./mentions.js";

const MOST_NAMES = 8, LONGEST = 1000;

/** A comment's text; names in it stand out. */
export const commentText = (text, people) =>
  h("p.comment", { dir: "auto" }, ...piecesOf(text, people).map((each) => typeof each === "string" ? each : h("mark", {}, each.text)));

/** The form under the history of a campaign. */
export function commentForm(id, people) {
  const text = h("textarea", { name: "comment", rows: "2", maxlength: String(LONGEST), required: true, dir: "auto" });
  const told = h("p.error", { role: "alert" }), send = h("button.primary", {}, t("Comment"));
  const names = people.slice(0, MOST_NAMES).map((name) => h("button", { type: "button", dir: "auto", onclick: () => mention(text, name) }, `@${name}`));
  let decisionId = newId();
  const form = h("form.commenting.deciding", {}, h("label", {}, h("span", {}, t("Comment, for the history; @ and a name tells that person")), text),
    h("menu", {}, ...names, h("span.grow"), send), told);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    told.textContent = "";
    try {
      await api.decide({ campaign_id: id, verb: "comment", reason: text.value.trim(), decision_id: decisionId });
      text.value = "";
      decisionId = newId();
    } catch (error) {
      told.textContent = error.message;
    } finally {
      send.disabled = false;
    }
  });
  return form;
}

function mention(text, name) {
  const { selectionStart: at, value } = text, before = value.slice(0, at), isApart = !before || /\s$/.test(before);
  text.setRangeText(`${isApart ? "" : " "}@${name} `, at, text.selectionEnd, "end");
  text.focus();
}
