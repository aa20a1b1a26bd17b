// The course of a campaign in a small picture: bars of spend, a line of ROI with its zero.

import { svg, setAttribute } from "./dom.js";
import { money, percent } from "./format.js";
import { n, t } from "./i18n.js";

const WIDTH = 96, HEIGHT = 34;
/** A young campaign has few hours; they stand at the left, as wide as those of others. */
const LEAST_HOURS = 24;

/** Draws points into an SVG element with the viewBox 0 0 96 34. */
export function draw(node, points, currency) {
  let [bars, zero, line] = node.children;
  if (!bars) {
    bars = svg("path", { class: "spend" });
    zero = svg("path", { class: "zero" });
    line = svg("path", { class: "roi", fill: "none" });
    node.append(bars, zero, line);
  }
  setAttribute(bars, "d", spendPath(points));
  const [zeroPath, roiPath] = roiPaths(points);
  setAttribute(zero, "d", zeroPath);
  setAttribute(line, "d", roiPath);
  setAttribute(node, "aria-label", describe(points, currency));
}

function spendPath(points) {
  const most = Math.max(1, ...points.map((each) => each.spend_micros ?? 0));
  const step = WIDTH / Math.max(points.length, LEAST_HOURS);
  return points.map((each, at) => {
    const height = ((each.spend_micros ?? 0) / most) * HEIGHT;
    return height ? `M${(at * step).toFixed(1)} ${HEIGHT}h${(step * 0.8).toFixed(1)}v${(-height).toFixed(1)}h${(-step * 0.8).toFixed(1)}z` : "";
  }).join("");
}

function roiPaths(points) {
  const known = points.map((each) => each.roi).filter((each) => each !== null);
  if (known.length < 2) return ["", ""];
  const low = Math.min(0, ...known), high = Math.max(0, ...known), range = high - low || 1;
  const y = (roi) => (HEIGHT - 2 - ((roi - low) / range) * (HEIGHT - 4)).toFixed(1);
  const step = WIDTH / Math.max(points.length, LEAST_HOURS);
  let path = "", isGap = true;
  points.forEach((each, at) => {
    if (each.roi === null) { isGap = true; return; }
    path += `${isGap ? "M" : "L"}${((at + 0.4) * step).toFixed(1)} ${y(each.roi)}`;
    isGap = false;
  });
  return [`M0 ${y(0)}H${WIDTH}`, path];
}

function describe(points, currency) {
  if (!points.length) return t("No history yet");
  const last = points[points.length - 1];
  return n("{count} hour; last: spend {spend}, ROI {roi}", "{count} hours; last: spend {spend}, ROI {roi}", points.length,
    { spend: money(last.spend_micros, currency), roi: percent(last.roi, true) });
}
