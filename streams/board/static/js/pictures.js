// Small pictures of one figure: where money stands, and where a figure lies beside its target.

import { h, svg } from "./dom.js";
import { money, plainly, TARGETS, targetFigure, targetOf } from "./format.js";
import { t } from "./i18n.js";

const WIDTH = 300, HEIGHT = 26;

/** Budget as a bar, what is spent in it, and where the spend goes by the end of the flight with the band that is on pace. */
export function moneyPicture(card) {
  const { budget_micros: budget, spent_micros: spent, pace, currency } = card;
  const most = Math.max(budget, spent, pace?.projected_micros ?? 0, pace?.high_micros ?? 0) || 1;
  const at = (micros) => (micros / most) * WIDTH;
  const values = { spent: money(spent, currency), budget: money(budget, currency), projected: money(pace?.projected_micros, currency) };
  const label = pace ? t("{spent} of {budget} spent; {projected} as projected", values) : t("{spent} of {budget} spent", values);
  const picture = frame(label);
  if (pace) picture.append(svg("rect", { class: "band", x: at(pace.low_micros), y: 0, width: Math.max(1, at(pace.high_micros) - at(pace.low_micros)), height: HEIGHT }));
  picture.append(svg("rect", { class: "ground", x: 0, y: 8, width: at(budget), height: 10 }), svg("rect", { class: "filled", x: 0, y: 8, width: at(spent), height: 10 }));
  if (pace) picture.append(svg("path", { class: "mark", d: `M${at(pace.projected_micros)} 2v${HEIGHT - 4}` }));
  const legend = [["filled", t("spent {amount}", { amount: values.spent })], ["ground", t("budget {amount}", { amount: values.budget })]];
  if (pace) legend.push(["mark", t("projected {amount}", { amount: values.projected })], ["band", t("on pace")]);
  return h("figure.picture", {}, picture, h("figcaption", {}, ...legend.map(([kind, text]) => h(`span.key.${kind}`, {}, text))));
}

/** The interval in which a figure likely lies, its target, and the side on which the target is met. */
export function scalePicture(card, one) {
  const goal = targetOf(card, one.target), [low, high] = one.interval;
  if (goal === null || (low === null && high === null)) return null;
  const ends = [low ?? Math.min(goal, high) * 0.5, high ?? Math.max(goal, low) * 1.6];
  const from = Math.min(...ends, goal), to = Math.max(...ends, goal), room = (to - from || Math.abs(goal) || 1) * 0.12;
  const at = (value) => ((value - from + room) / (to - from + 2 * room)) * WIDTH;
  const isCost = ["cpl", "cpa", "cac"].includes(one.target);
  const picture = frame(plainly(card, one));
  picture.append(svg("rect", { class: "met", x: isCost ? 0 : at(goal), y: 0, width: isCost ? at(goal) : WIDTH - at(goal), height: HEIGHT }),
    svg("rect", { class: `interval ${one.verdict}`, x: at(ends[0]), y: 9, width: Math.max(2, at(ends[1]) - at(ends[0])), height: 8, rx: 4 }),
    svg("path", { class: "mark", d: `M${at(goal)} 2v${HEIGHT - 4}` }));
  const show = (value) => targetFigure(one.target, value, card.currency), values = { kpi: TARGETS[one.target] ?? one.target, low: show(low), high: show(high) };
  const likely = high === null ? t("{kpi} likely at least {low}", values) : low === null ? t("{kpi} likely at most {high}", values) : t("{kpi} likely {low} to {high}", values);
  return h("figure.picture", {}, picture, h("figcaption", {},
    h(`span.key.interval.${one.verdict}`, {}, likely),
    h("span.key.mark", {}, t("target {target}", { target: show(goal) })), h("span.key.met", {}, t("target met"))));
}

const frame = (label) => svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
