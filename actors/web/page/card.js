// One group: its word, its troubles, its numbers, its legs, its past, its buttons.

import { chart, draw } from "/page/chart.js";
import { el, keyed, mark, say, show } from "/page/dom.js";
import { age, percent, quantity, seconds, usd } from "/page/format.js";
import { spoken, t } from "/page/language.js";
import { LEVELS } from "/page/headline.js";
import { drawDetails, makeDetails } from "/page/details.js";
import { drawLegs, makeLegs } from "/page/legs.js";

const TROUBLE = 2;
const STALE_MS = 5000; // a group reports every second
const VERBS = ["pause", "resume", "reduce", "restart", "flatten"];
const NOW_IN = { pause: "PAUSE", resume: "RUN", reduce: "REDUCE", flatten: "FLATTEN" };
const MONEY = ["unrealized", "realized", "fees", "funding", "equity"];

export function makeCard(group, onPress) {
  const parts = {
    badge: el("span", { class: "badge" }),
    operator: el("span", { class: "operator" }),
    stale: el("span", { class: "stale" }),
    what: el("span", { class: "what" }),
    verdicts: el("ul", { class: "verdicts" }),
    phase: el("strong", { class: "phase" }),
    since: el("span", {}),
    next: el("span", { class: "next" }),
    reason: el("p", { class: "reason" }),
    net: figure("net"),
    naked: figure("naked_clock"),
    legs: makeLegs(),
    money: Object.fromEntries(MONEY.map((name) => [name, figure(name)])),
    captions: { net: el("figcaption", {}), equity: el("figcaption", {}) },
    charts: { net: chart("net"), equity: chart("equity") },
    recent: el("ol", { class: "recent" }),
    cycle: el("a", { class: "cycle" }),
    done: el("span", {}),
    details: makeDetails(),
    buttons: Object.fromEntries(
      VERBS.map((verb) => [
        verb,
        el("button", { type: "button", class: verb, "data-verb": verb, click: () => onPress(group.name, verb) }),
      ]),
    ),
  };
  parts.nextLabel = el("span", { class: "label" });
  parts.recentLabel = el("summary", {});
  parts.recentBox = el("details", { class: "past" }, parts.recentLabel, parts.recent);
  const card = el(
    "article",
    { id: `group-${group.name}`, tabindex: "-1", "aria-labelledby": `name-${group.name}` },
    el("header", {}, el("h2", { id: `name-${group.name}`, text: group.name }), parts.what, parts.operator, parts.badge),
    parts.stale,
    parts.verdicts,
    el("div", { class: "figures" }, parts.net.box, parts.naked.box),
    el(
      "div",
      { class: "doing" },
      el("p", {}, parts.phase, " ", parts.since),
      el("p", {}, parts.nextLabel, " ", parts.next),
      parts.reason,
    ),
    parts.legs.box,
    el("div", { class: "money" }, ...MONEY.map((name) => parts.money[name].box)),
    el(
      "div",
      { class: "charts" },
      el("figure", {}, parts.captions.net, parts.charts.net.box),
      el("figure", {}, parts.captions.equity, parts.charts.equity.box),
    ),
    el("div", { class: "press" }, ...VERBS.map((verb) => parts.buttons[verb])),
    parts.recentBox,
    parts.details.box,
    el("p", { class: "cycles" }, parts.cycle, " ", parts.done),
  );
  card.parts = parts;
  return card;
}

export function drawCard(card, group, { now, real, lost, points }) {
  const parts = card.parts;
  const first = group.verdicts[0];
  mark(card, "data-level", LEVELS[group.level]);
  mark(parts.badge, "data-level", LEVELS[group.level]);
  say(parts.badge, t(`b_${first.kind}`));
  say(parts.what, [group.instrument, group.strategy.replaceAll("_", " ")].filter(Boolean).join(" · "));
  mark(parts.operator, "data-state", group.operator_state);
  say(parts.operator, group.operator_state === null ? "" : t(`state_${group.operator_state}`));
  drawVerdicts(parts.verdicts, group, now);
  drawStale(card, group, { now, real, lost });
  for (const [verb, button] of Object.entries(parts.buttons)) {
    say(button, t(verb));
    // What is so already needs no press; a flatten may be asked for again, and a restart sets no state.
    const already = verb !== "flatten" && verb in NOW_IN && NOW_IN[verb] === group.operator_state;
    button.disabled = lost || already;
    mark(button, "title", lost ? t("lost_no_press") : already ? t("already") : t(`what_${verb}`));
  }
  card.classList.toggle("empty", !group.reported);
  drawFigures(parts, group, now);
  drawDoing(parts, group, now);
  drawLegs(parts.legs, group, now);
  drawPast(parts, group, now, points);
  drawDetails(parts.details, group, now);
}

export function figure(name) {
  const label = el("span", { class: "label" });
  const value = el("span", { class: "value" });
  const note = el("span", { class: "note" });
  return { name, label, value, note, box: el("div", { class: `figure ${name}` }, label, value, note) };
}

export function put(parts, value, note = "") {
  say(parts.label, t(parts.name));
  say(parts.value, value);
  say(parts.note, note);
}

// What each sentence about a group is filled with.
function words(verdict, now) {
  return {
    leg: verdict.leg ?? "",
    s: age(verdict.since, now),
    q: quantity(verdict.quantity),
    pct: percent(verdict.quantity, 0),
    usd: verdict.usd === null ? t("unknown_usd") : usd(verdict.usd),
    detail: spoken(verdict.detail),
  };
}

function drawVerdicts(list, group, now) {
  const shown = group.verdicts.filter((each) => each.level >= TROUBLE || each.kind === "starting");
  keyed(
    list,
    shown,
    (each) => `${each.kind}/${each.leg}`,
    () => el("li", {}),
    (item, each) => {
      mark(item, "data-level", LEVELS[each.level]);
      mark(item, "title", t(`d_${each.kind}`));
      say(item, t(`v_${each.kind}`, words(each, now)));
    },
  );
  show(list, shown.length > 0);
}

// `now` stands still while the supervisor is lost, so that nothing pretends to be measured; `real` runs on.
function drawStale(card, group, { now, real, lost }) {
  const old = lost || (group.at !== null && now - group.at > STALE_MS && !group.over);
  card.classList.toggle("old", old);
  show(card.parts.stale, old);
  say(card.parts.stale, old ? t("as_of", { s: age(group.at, real) }) : "");
}

function drawFigures(parts, group, now) {
  put(parts.net, `${quantity(group.net)} ${coin(group)}`, usd(group.net_usd, { signed: true }));
  const naked = group.naked_since !== null && !group.rounding;
  mark(parts.net.box, "data-bad", naked ? "yes" : "");
  const total = group.naked_seconds === null ? "" : t("naked_total", { s: seconds(group.naked_seconds) });
  const covered = group.net === null ? "?" : t("covered");
  put(parts.naked, naked ? age(group.naked_since, now) : covered, total);
  mark(parts.naked.box, "data-bad", naked ? "yes" : "");
  for (const name of MONEY) {
    put(parts.money[name], usd(group[name], { signed: !["equity", "fees"].includes(name) }));
    mark(parts.money[name].box, "data-sign", sign(name, group[name]));
  }
}

function drawDoing(parts, group, now) {
  say(parts.phase, spoken(group.phase) || "?");
  say(parts.since, `${t("in_phase")} ${age(group.phase_since, now)}`);
  say(parts.nextLabel, `${t("next")}:`);
  say(parts.next, spoken(group.next) || "?");
  say(parts.reason, group.reason ? `${t("because")}: ${spoken(group.reason)}` : "");
  const cycle = group.cycle;
  const here = `/cycle?group=${encodeURIComponent(group.name)}&n=${cycle}`;
  mark(parts.cycle, "href", cycle ? here : "");
  say(parts.cycle, cycle ? t("cycle_time_line", { n: cycle }) : "");
  say(parts.done, group.cycles_done === null ? "" : `· ${t("cycles_done", { n: group.cycles_done })}`);
}

function drawPast(parts, group, now, points) {
  say(parts.recentLabel, t("recent"));
  keyed(
    parts.recent,
    group.recent.map((text, place) => [`${place}`, text]),
    ([key]) => key,
    () => el("li", {}),
    (item, [, text]) => say(item, spoken(text)),
  );
  const window = { from: points.from, to: now };
  for (const name of ["net", "equity"]) {
    say(parts.charts[name].title, t(`chart_${name}`));
    say(parts.captions[name], t(`chart_${name}`));
  }
  draw(parts.charts.net, points.net, { ...window, around: 0 });
  draw(parts.charts.equity, points.equity, window);
}

function coin(group) {
  return (group.instrument ?? "").split("-")[0];
}

function sign(name, value) {
  if (value === null || name === "equity" || name === "fees" || Number(value) === 0) return "";
  return Number(value) > 0 ? "up" : "down";
}

