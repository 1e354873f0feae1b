// The legs of a group: what each holds, and how far each is from trouble.

import { el, keyed, mark, say, show } from "/page/dom.js";
import { age, percent, quantity, seconds, usd, UNKNOWN } from "/page/format.js";
import { LEVELS } from "/page/headline.js";
import { t } from "/page/language.js";

const COLUMNS = ["leg", "size", "target", "margin", "liquidation", "streams", "unknown_orders"];
const OLD_STREAM_S = 45; // as in actors/web/risk.py
const FAR = 10; // ten times the price: a leg of a few lots is never liquidated, and its number says nothing

export function makeLegs() {
  const head = el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col", class: name })));
  const body = el("tbody", {});
  const table = el("table", { class: "legs" }, el("thead", {}, head), body);
  return { box: el("div", { class: "wide" }, table), head, body };
}

export function drawLegs(parts, group, now) {
  [...parts.head.children].forEach((cell, place) => say(cell, t(COLUMNS[place])));
  keyed(parts.body, group.legs, (leg) => leg.name, makeRow, (row, leg) => drawRow(row, leg, now));
  show(parts.box, group.legs.length > 0);
}

function makeRow(leg) {
  const meter = el("meter", { min: 0, max: 1, low: 0.6, high: 0.8, optimum: 0 });
  const cells = Object.fromEntries(
    COLUMNS.map((name) => [name, el(name === "leg" ? "th" : "td", name === "leg" ? { scope: "row", class: name } : { class: name })]),
  );
  const main = Object.fromEntries(COLUMNS.map((name) => [name, el("span", { class: "main" })]));
  const note = Object.fromEntries(COLUMNS.map((name) => [name, el("span", { class: "note" })]));
  for (const name of COLUMNS) cells[name].append(main[name], note[name]);
  cells.margin.insertBefore(meter, note.margin);
  const row = el("tr", {}, ...COLUMNS.map((name) => cells[name]));
  row.parts = { cells, main, note, meter };
  say(main.leg, leg.name);
  return row;
}

function drawRow(row, leg, now) {
  const { main, note, meter, cells } = row.parts;
  const account = leg.details;
  mark(row, "data-level", LEVELS[leg.level]);
  for (const name of COLUMNS) mark(cells[name], "data-label", t(name));
  say(note.leg, [leg.account, account.venue].filter(Boolean).join(" · "));
  say(main.size, quantity(leg.believed));
  mark(main.size, "data-side", side(leg.believed));
  say(note.size, sizeNote(leg));
  mark(note.size, "data-bad", differs(leg) ? "yes" : "");
  say(main.target, quantity(leg.target));
  say(main.margin, percent(account.margin_ratio));
  say(note.margin, account.equity === null ? "" : t("of", { usd: usd(account.equity, { cents: false }) }));
  show(meter, account.margin_ratio !== null);
  if (account.margin_ratio !== null) meter.value = Number(account.margin_ratio);
  const far = Number(account.liquidation_distance) > FAR;
  const flat = leg.believed !== null && Number(leg.believed) === 0;
  say(main.liquidation, flat ? "–" : far ? `>${percent(FAR, 0)}` : percent(account.liquidation_distance));
  say(note.liquidation, far || account.liquidation_price === null ? "" : usd(account.liquidation_price));
  drawStreams(main.streams, account, now);
  say(main.unknown_orders, String(leg.unknown.length));
  mark(main.unknown_orders, "data-bad", leg.unknown.length ? "yes" : "");
  say(note.unknown_orders, ordersNote(leg, now));
}

function sizeNote(leg) {
  const unlike = leg.reported === null || differs(leg);
  return unlike ? t("venue_says", { q: quantity(leg.reported) }) : usd(leg.value_usd, { signed: true, cents: false });
}

function differs(leg) {
  return leg.reported !== null && leg.believed !== null && Number(leg.reported) !== Number(leg.believed);
}

function side(value) {
  if (value === null || Number(value) === 0) return "";
  return Number(value) > 0 ? "long" : "short";
}

// The ages are as of the account's report; they have grown since by as much as the report is old.
function drawStreams(main, account, now) {
  const ages = Object.entries(account.streams).map(([name, old]) => [name, old ?? Infinity]);
  ages.sort((one, other) => other[1] - one[1]);
  const since = account.at === null ? 0 : Math.max(0, (now - account.at) / 1000);
  const oldest = ages.length ? ages[0][1] + since : Infinity;
  say(main, Number.isFinite(oldest) ? seconds(oldest) : UNKNOWN);
  mark(main, "title", ages.map(([name, old]) => `${name}: ${Number.isFinite(old) ? seconds(old + since) : UNKNOWN}`).join("\n"));
  mark(main, "data-bad", oldest > OLD_STREAM_S ? "yes" : "");
}

function ordersNote(leg, now) {
  if (leg.unknown.length) return age(leg.unknown[0].since, now);
  return leg.in_flight ? t("in_flight", { n: leg.in_flight }) : "";
}
