// Texts in the reader's language. A text is its own key in English; other languages come as a catalogue from the board.

const KEY = "roistream-board-language";
const offered = document.documentElement.dataset.languages.split(" ");
const preferred = navigator.languages.map((each) => each.toLowerCase().split("-")[0]);

/** The language of the page: what was chosen, else the first of the browser's that is offered. */
export const language = [localStorage.getItem(KEY), ...preferred].find((each) => offered.includes(each)) ?? "en";
/** For numbers and dates: the browser's own variant of the language where it has one. */
export const locale = navigator.languages.find((each) => each.toLowerCase().split("-")[0] === language) ?? language;
export const languages = offered;

const catalogue = language === "en" ? { texts: {}, forms: {} } : await (await fetch(`/static/messages/${language}.json`)).json();
const plural = new Intl.PluralRules(language), counts = new Intl.NumberFormat(locale);

export function choose(wanted) {
  localStorage.setItem(KEY, wanted);
  location.reload();
}

const fill = (text, values) => text.replaceAll(/\{(\w+)\}/g, (whole, name) => name in values ? String(values[name]) : whole);

/** A text; {names} in it are replaced by values. */
export const t = (text, values = {}) => fill(catalogue.texts[text]?.[0] || text, values);

/** A text that depends on a count, which is also the value of {count}. */
export function n(one, many, count, values = {}) {
  const found = catalogue.texts[one], form = catalogue.forms[plural.select(count)] ?? 0;
  return fill(found?.[form] || (count === 1 ? one : many), { count: counts.format(count), ...values });
}

/** Puts the texts of the document itself, templates included, into the language. */
export function translate(root) {
  for (const template of root.querySelectorAll("template")) translate(template.content);
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.textContent.replaceAll(/\s+/g, " ").trim());
  for (const name of ["placeholder", "title", "aria-label"]) {
    for (const node of root.querySelectorAll(`[${name}]`)) node.setAttribute(name, t(node.getAttribute(name)));
  }
}

document.documentElement.lang = language;
translate(document);
