// The board as a picture (PNG): the columns and cards that are shown, with their money, figures and verdicts, for a slide or a message.

import { columnName, evidence, exactTime, kpi, KPIS, money, shortened } from "./format.js";
import { n, t } from "./i18n.js";
import { COLUMNS, nameOf } from "./store.js";

const COLUMN = 250, GAP = 12, EDGE = 24, HEAD = 64, LINE = 17, PAD = 10, SCALE = 2;
/** More cards of a column than a slide holds are counted. */
const MOST = 40;
const FIGURES = ["cpl", "roas", "roi_net_profit"];

/** @param {import("./view.js").View} view */
export function drawBoard(view, now = new Date()) {
  const look = getComputedStyle(document.documentElement), colour = (name) => look.getPropertyValue(`--${name}`).trim();
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d"), family = look.fontFamily;
  const font = (size, weight = 400) => { pen.font = `${weight} ${size}px ${family}`; };
  const columns = COLUMNS.map((name) => ({ name, cards: view.visibleIds(name).map((id) => view.store.cards.get(id)) })).filter(({ cards }) => cards.length);
  font(13, 600);
  for (const column of columns) column.blocks = column.cards.slice(0, MOST).map((card) => blockOf(card, view.window, pen));
  const height = EDGE * 2 + HEAD + LINE * 3 + Math.max(0, ...columns.map(({ blocks, cards }) => blocks.reduce((sum, each) => sum + each.height + GAP, cards.length > MOST ? LINE : 0)));
  canvas.width = SCALE * (EDGE * 2 + Math.max(2, columns.length) * (COLUMN + GAP) - GAP);
  canvas.height = SCALE * height;
  pen.scale(SCALE, SCALE);
  pen.textBaseline = "top";
  const write = (text, x, y, ink) => { pen.fillStyle = colour(ink); pen.fillText(text, x, y, COLUMN - 2 * PAD); };
  const box = (x, y, width, tall, ground) => { pen.fillStyle = colour(ground); pen.beginPath(); pen.roundRect(x, y, width, tall, 8); pen.fill(); };
  pen.fillStyle = colour("ground");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  font(20, 700);
  pen.fillStyle = colour("ink");
  pen.fillText(t("The budget board, {time}", { time: exactTime(now) }), EDGE, EDGE);
  font(13);
  pen.fillStyle = colour("dim");
  pen.fillText([t("Figures of {window}", { window: view.window }), view.filter && t("found by “{text}”", { text: view.filter })].filter(Boolean).join(" · "), EDGE, EDGE + 28);
  columns.forEach(({ name, cards, blocks }, at) => {
    const x = EDGE + at * (COLUMN + GAP);
    let y = EDGE + HEAD;
    font(15, 700);
    const heading = columnName(name);
    write(`${heading[0].toUpperCase()}${heading.slice(1)} ${cards.length}`, x, y, "ink");
    font(12);
    const sum = (of) => money(cards.reduce((total, each) => total + each[of], 0), cards[0].currency);
    write(t("{spent} of {budget} spent", { spent: sum("spent_micros"), budget: sum("budget_micros") }), x, y + 20, "dim");
    y += LINE * 2 + GAP;
    for (const block of blocks) {
      box(x, y, COLUMN, block.height, "raised");
      box(x, y, 4, block.height, block.edge);
      let line = y + PAD;
      for (const { text, ink, size, weight } of block.lines) {
        font(size, weight);
        write(text, x + PAD + 2, line, ink);
        line += LINE;
      }
      box(x + PAD + 2, line + 2, COLUMN - 2 * PAD, 6, "line");
      if (block.share > 0) box(x + PAD + 2, line + 2, Math.max(6, (COLUMN - 2 * PAD) * block.share), 6, "accent");
      y += block.height + GAP;
    }
    font(12);
    if (cards.length > MOST) write(n("And {count} more.", "And {count} more.", cards.length - MOST), x, y, "dim");
  });
  return canvas;
}

/** The lines of a card, and how tall it is. */
function blockOf(card, window, pen) {
  const figures = card.kpis[window] ?? {}, verdicts = Object.values(card.evidence);
  const plain = (text, ink = "dim", weight = 400) => ({ text, ink, size: 12, weight });
  const lines = [
    ...wrapped(shortened(nameOf(card)), pen).map((text) => ({ text, ink: "ink", size: 13, weight: 600 })),
    plain([card.channel, card.status].filter(Boolean).join(" · ")),
    plain(FIGURES.map((name) => `${KPIS[name].label} ${kpi(name, figures[name], card.currency)}`).join("  "), "ink"),
    ...verdicts.map((one) => plain(evidence(card, one), { bad: "bad", good: "good" }[one.verdict] ?? "dim")),
    plain(t("{spent} of {budget}", { spent: money(card.spent_micros, card.currency), budget: money(card.budget_micros, card.currency) }), "ink"),
  ].filter(({ text }) => text);
  const worst = verdicts.some((one) => one.verdict === "bad") ? "bad" : verdicts.some((one) => one.verdict === "good") ? "good" : "line";
  return { lines, edge: worst, share: card.budget_micros > 0 ? Math.min(1, card.spent_micros / card.budget_micros) : 0, height: lines.length * LINE + 2 * PAD + 8 };
}

/** A name on lines that fit, two at most. */
function wrapped(text, pen) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.length < 2 && lines.at(-1) && pen.measureText(longer).width > COLUMN - 2 * PAD) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Lets the browser save the picture. */
export function savePicture(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}
