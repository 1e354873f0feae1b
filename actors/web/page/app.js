// The dashboard: hears boards, keeps the clocks between them running, draws.

import { Bots } from "/page/bots.js";
import { drawCard, makeCard } from "/page/card.js";
import { byId, el, keyed, mark, say, show } from "/page/dom.js";
import { seconds } from "/page/format.js";
import { drawHeadline } from "/page/headline.js";
import { other, speak, t, translate } from "/page/language.js";
import { Link } from "/page/link.js";
import { askPress, drawToken, toast, wire } from "/page/operator.js";

const DRAW_MS = 250;
const LIVE_MS = 2000;
const past = new Map(); // group → { at → point }
let board = null;
let window_ms = 30 * 60_000;

const link = new Link({
  onBoard: (next) => {
    board = next;
  },
  onPast: (whole) => {
    past.clear();
    remember(whole);
  },
  onPoints: remember,
});
const bots = new Bots();

function remember({ groups }) {
  for (const [name, points] of Object.entries(groups)) {
    const known = past.get(name) ?? new Map();
    for (const point of points) known.set(point.at, point);
    const newest = points.at(-1)?.at ?? 0;
    for (const at of known.keys()) if (at < newest - window_ms) known.delete(at);
    past.set(name, known);
  }
}

function number(value) {
  return value === null ? null : Number(value);
}

// The line begins with the first point, so that a young supervisor does not show an empty half hour.
function pointsOf(name, now) {
  const points = [...(past.get(name)?.values() ?? [])].sort((one, two) => one.at - two.at);
  return {
    from: points.length ? Math.max(now - window_ms, points[0].at) : now - window_ms,
    net: points.map((point) => [point.at, number(point.net)]),
    equity: points.map((point) => [point.at, number(point.equity)]),
  };
}

function draw() {
  const lost = link.lost;
  const passed = link.heardAt === null ? 0 : performance.now() - link.heardAt;
  const real = board === null ? Date.now() : board.at + passed;
  const now = lost && board !== null ? board.at : real;
  document.body.classList.toggle("waiting", board === null);
  document.body.classList.toggle("lost", lost);
  drawHeadline(board, link, now);
  drawPulse(lost);
  if (board === null) return;
  keyed(
    byId("groups"),
    board.groups,
    (group) => group.name,
    (group) => makeCard(group, askPress),
    (card, group) => drawCard(card, group, { now, real, lost, points: pointsOf(group.name, now) }),
  );
  bots.draw();
  const lines = board.notices.map((text, place) => ({ key: `${place}/${text}`, text })).reverse();
  keyed(
    byId("notice-lines"),
    lines,
    (line) => line.key,
    (line) => el("li", { text: line.text }),
    () => {},
  );
  show(byId("notices"), lines.length > 0);
}

function drawPulse(lost) {
  const quiet = link.silentMs > LIVE_MS;
  const words = quiet ? t("silent", { s: seconds(link.silentMs / 1000) }) : t(link.polling ? "polled" : "live");
  mark(byId("pulse"), "data-state", lost ? "lost" : quiet ? "quiet" : "live");
  mark(byId("pulse"), "aria-label", words);
  say(byId("link"), words);
}

function retranslate() {
  translate();
  drawToken();
  say(byId("language"), t("language"));
  mark(byId("language"), "lang", other());
}

byId("refresh").addEventListener("click", async () => {
  await Promise.all([link.refresh(), bots.refresh()]);
  if (!link.lost) toast(t("refreshed"));
});
byId("language").addEventListener("click", () => {
  speak(other());
  retranslate();
  draw();
});
wire(() => bots.refresh());
retranslate();
draw();
setInterval(draw, DRAW_MS);
