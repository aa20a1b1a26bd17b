// The cards that are shown as a file for spreadsheets.

import { KPIS, TARGETS, verdict } from "./format.js";
import { t } from "./i18n.js";
import { nameOf } from "./store.js";

/** A text of a cell: no spreadsheet may take it for a formula, and no separator may end it. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[\u0022,\r\n]/.test(text) ? `\u0022${text.replaceAll("\u0022", "\u0022\u0022")}\u0022` : text;
}

/**
 * Comma-separated values (RFC 4180) of cards: amounts in currency units, ratios as numbers, with a point.
 * @param {Array<object>} cards in their order
 * @param {string} window whose figures
 */
export function csvOf(cards, window) {
  const names = Object.keys(KPIS).filter((name) => cards.some((card) => card.kpis[window]?.[name] != null));
  const heads = [t("Campaign"), t("name"), t("Channel"), t("Status"), t("Column"), t("currency"), t("Spent"), t("budget"),
    ...names.map((name) => `${KPIS[name].label} ${window}`), t("Evidence"), t("Last said"), t("Card as of")];
  const rows = cards.map((card) => [
    card.campaign_id, nameOf(card), card.channel, card.status, card.column, card.currency, card.spent_micros / 1e6, card.budget_micros / 1e6,
    ...names.map((name) => card.kpis[window]?.[name] ?? null),
    Object.values(card.evidence).map((one) => `${TARGETS[one.target] ?? one.target} ${verdict(card, one)}`).join("; "), card.reason, card.updated_at,
  ]);
  return [heads, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Lets the browser save values as a file for spreadsheets, which know by the mark at its beginning that it is UTF-8. */
export const save = (text, name) => saveParts(["\ufeff", text], "text/csv;charset=utf-8", name);

/** Lets the browser save parts of a file. */
export function saveParts(parts, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
