// One cycle of one group, from its journal: what happened, what was decided because of it, what became of each order.

import { byId, el, keyed, mark, say, show } from "/page/dom.js";
import { clock, moment, quantity, seconds, usd } from "/page/format.js";
import { other, speak, spoken, t, translate } from "/page/language.js";

const AGAIN_MS = 3000;
const ANSWER_MS = 15_000;
const BAD_ENDS = ["REJECTED", "DENIED", "EXPIRED"];
const asked = new URLSearchParams(location.search);
const group = asked.get("group") ?? "";
const wanted = asked.get("n") ?? "last";
let cycle = null;
let error = "";

async function read() {
  if (!group) {
    error = t("cycle_link");
    return;
  }
  const path = `/api/groups/${encodeURIComponent(group)}/cycles/${encodeURIComponent(wanted)}`;
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    const content = await answer.json();
    if (answer.ok) cycle = content;
    error = answer.ok ? "" : t("cycle_missing", { error: content.error ?? `HTTP ${answer.status}` });
  } catch {
    error = t("cycle_missing", { error: t("h_never") });
  }
}

function draw() {
  translate();
  say(byId("language"), t("language"));
  mark(byId("language"), "lang", other());
  say(byId("headline"), cycle === null ? group || "Hedgevisor" : t("cycle_title", { group, n: cycle.cycle }));
  document.title = `${byId("headline").textContent} · Hedgevisor`;
  if (cycle === null) {
    say(byId("summary"), error);
    return;
  }
  say(byId("summary"), [error, cycle.outcome, span()].filter(Boolean).join(" · "));
  turn("earlier", cycle.cycle - 1, cycle.cycle > 1);
  turn("later", cycle.cycle + 1, cycle.cycle < cycle.cycles);
  drawProblems();
  drawResults();
  drawLine();
  drawOrders();
}

function span() {
  const begin = moment(cycle.began_at);
  if (cycle.began_at === null || cycle.ended_at === null) return begin;
  return `${begin}, ${seconds((cycle.ended_at - cycle.began_at) / 1000)}`;
}

function turn(id, n, there) {
  show(byId(id), there);
  mark(byId(id), "href", `/cycle?group=${encodeURIComponent(group)}&n=${n}`);
  say(byId(id), t(id, { n }));
}

function drawProblems() {
  const lines = cycle.problems.map((text, place) => ({ key: `${place}`, text }));
  keyed(byId("problems"), lines, (line) => line.key, () => el("li", { "data-level": "warn" }), (item, line) => say(item, line.text));
  show(byId("problems"), lines.length > 0);
}

function drawResults() {
  const legs = Object.entries(cycle.legs);
  keyed(
    byId("results"),
    legs,
    ([name]) => name,
    () => el("div", { class: "figure" }, el("span", { class: "label" }), el("span", { class: "value" }), el("span", { class: "note" })),
    (box, [name, leg]) => {
      const [label, value, note] = box.children;
      const total = Number(leg.realized) - Number(leg.fees);
      say(label, `${name} · ${leg.account}`);
      say(value, usd(total, { signed: true }));
      say(note, t("result_note", { realized: usd(leg.realized, { signed: true }), fees: usd(leg.fees), held: quantity(leg.held) }));
      mark(box, "data-sign", total > 0 ? "up" : total < 0 ? "down" : "");
    },
  );
  show(byId("results"), legs.length > 0);
}

// --- the time line --------------------------------------------------------------------------------------------------

function drawLine() {
  keyed(byId("line"), cycle.causes, (cause) => `${cause.stream}/${cause.seq}`, makeCause, drawCause);
  const nothing = cycle.causes.length === 0 ? `${t("cycle_empty")} ` : "";
  say(byId("quiet"), nothing + (cycle.quiet ? t("quiet_steps", { n: cycle.quiet }) : ""));
}

function makeCause() {
  const parts = {
    time: el("time", {}),
    phase: el("span", { class: "badge", "data-level": "note" }),
    what: el("span", { class: "happened" }),
    net: el("span", { class: "net-after" }),
    why: el("span", { class: "cause" }),
    decided: el("ul", { class: "decided" }),
    seq: el("span", { class: "cause" }),
  };
  const item = el("li", {}, parts.time, parts.what, " ", parts.phase, " ", parts.net, parts.decided, parts.why, " ", parts.seq);
  item.parts = parts;
  return item;
}

function drawCause(item, cause) {
  const { parts } = item;
  const offset = cycle.began_at === null ? "" : ` ${t("after", { s: seconds((cause.at - cycle.began_at) / 1000) })}`;
  say(parts.time, clock(cause.at) + offset);
  say(parts.what, spoken(cause.what));
  show(parts.phase, cause.left !== "");
  say(parts.phase, cause.left ? `${cause.left} → ${cause.phase}` : "");
  const uncovered = cause.net !== null && Number(cause.net) !== 0;
  say(parts.net, cause.net === null ? "" : t("net_after", { q: quantity(cause.net) }));
  mark(parts.net, "data-bad", uncovered ? "yes" : "");
  mark(item, "data-level", uncovered ? "warn" : "");
  say(parts.why, cause.why ? `${t("because")}: ${spoken(cause.why)}` : "");
  say(parts.seq, `${cause.stream} #${cause.seq}`);
  const lines = cause.decided.map((text, place) => [`${place}`, text]);
  keyed(parts.decided, lines, ([key]) => key, () => el("li", {}), (line, [, text]) => say(line, `→ ${spoken(text)}`));
}

// --- orders -----------------------------------------------------------------------------------------------------------

function drawOrders() {
  keyed(byId("orders"), cycle.orders, (order) => order.order_id, makeOrder, drawOrder);
  show(byId("orders-section"), cycle.orders.length > 0);
}

function makeOrder(order) {
  const parts = { badge: el("span", { class: "badge" }), asked: el("p", {}), steps: el("p", { class: "hint" }), doubts: el("ul", { class: "verdicts" }), proof: el("p", { class: "hint" }) };
  const box = el(
    "article",
    {},
    el("header", {}, el("h3", { class: "what", text: order.order_id }), parts.badge),
    parts.asked,
    parts.steps,
    parts.doubts,
    parts.proof,
  );
  box.parts = parts;
  return box;
}

function drawOrder(box, order) {
  const { parts } = box;
  const level = order.doubts.length || BAD_ENDS.includes(order.status) || order.status === "OPEN" ? "warn" : "ok";
  mark(box, "data-level", level);
  mark(parts.badge, "data-level", level);
  say(parts.badge, order.status);
  say(
    parts.asked,
    t("order_asked", {
      side: t(`side_${order.request.side}`),
      q: quantity(order.request.quantity, false),
      account: order.account,
      filled: quantity(order.filled, false),
      price: usd(average(order.fills)),
    }),
  );
  const from = order.decided_at;
  const steps = [
    ["decided", order.decided_at],
    ["left", order.submitted_at],
    ["accepted", order.accepted_at],
    ["ended", order.ended_at],
  ].filter(([, at]) => at !== null);
  say(parts.steps, steps.map(([name, at]) => `${t(`step_${name}`)} ${name === "decided" ? clock(at) : `+${at - from} ms`}`).join(" · "));
  keyed(
    parts.doubts,
    order.doubts,
    (doubt) => `${doubt.since}`,
    () => el("li", { "data-level": "warn" }),
    (line, doubt) => {
      const s = doubt.until === null ? "?" : seconds((doubt.until - doubt.since) / 1000);
      say(line, t("order_doubt", { s, reason: doubt.reason }));
    },
  );
  show(parts.doubts, order.doubts.length > 0);
  const ids = [order.client_order_id === null ? "" : `client id ${order.client_order_id}`, order.nonce === null ? "" : `nonce ${order.nonce}`, order.tx_hash ?? ""];
  say(parts.proof, [order.proof, ...ids].filter(Boolean).join(" · "));
}

function average(fills) {
  const quantities = fills.reduce((sum, fill) => sum + Number(fill.quantity), 0);
  if (!quantities) return null;
  return fills.reduce((sum, fill) => sum + Number(fill.quantity) * Number(fill.price), 0) / quantities;
}

byId("language").addEventListener("click", () => {
  speak(other());
  draw();
});

async function again() {
  await read();
  draw();
  // A cycle that runs goes on being told; one that has ended does not change any more.
  if (group && (cycle === null || cycle.ended_at === null)) setTimeout(again, AGAIN_MS);
}

draw();
again();
