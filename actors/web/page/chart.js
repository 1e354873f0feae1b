// A small line: the last half hour of one number, drawn without a library.

import { svg, mark } from "/page/dom.js";

const WIDTH = 300;
const HEIGHT = 44;
const PAD = 3;

export function chart(name) {
  const zero = svg("line", { class: "zero", x1: 0, x2: WIDTH });
  const line = svg("path", { class: "line" });
  const title = svg("title", {});
  const box = svg(
    "svg",
    { class: `chart ${name}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
    title,
    zero,
    line,
  );
  return { box, title, zero, line };
}

// `points` are [moment, value] with value null where it was not known: the line is broken there, not zero.
export function draw(parts, points, { from, to, around }) {
  const values = points.map(([, value]) => value).filter((value) => value !== null);
  if (around !== undefined) values.push(around);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high - low || Math.abs(high) || 1;
  const x = (at) => (((at - from) / (to - from)) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - PAD - ((value - low) / span) * (HEIGHT - 2 * PAD)).toFixed(1);
  let path = "";
  let broken = true;
  for (const [at, value] of points) {
    if (value === null || at < from) {
      broken = true;
      continue;
    }
    path += `${broken ? "M" : "L"}${x(at)} ${y(value)}`;
    broken = false;
  }
  mark(parts.line, "d", path || "M0 0");
  const base = around === undefined ? null : y(around);
  parts.zero.style.display = base === null ? "none" : "";
  if (base !== null) {
    mark(parts.zero, "y1", base);
    mark(parts.zero, "y2", base);
  }
}
