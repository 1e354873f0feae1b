// What one looks at when something is odd: processes, budgets, epochs, when things were last agreed upon.

import { el, keyed, mark, say } from "/page/dom.js";
import { age, count, percent, quantity, seconds, usd, UNKNOWN } from "/page/format.js";
import { t } from "/page/language.js";

export function makeDetails() {
  const label = el("summary", {});
  const rows = el("div", { class: "accounts" });
  return { box: el("details", { class: "details" }, label, rows), label, rows };
}

export function drawDetails(parts, group, now) {
  say(parts.label, t("details"));
  if (!parts.box.open) return; // nobody looks
  const blocks = [
    { key: "group", title: `${t("group_actor")} ${group.name}`, lines: [...actorLines(group.actor, now), ...limitLines(group.limits, now)] },
    ...group.legs.map((leg) => ({
      key: leg.name,
      title: `${leg.account} · ${leg.details.venue}`,
      lines: accountLines(leg.details, now, leg.believed !== null && Number(leg.believed) === 0),
    })),
  ];
  keyed(parts.rows, blocks, (block) => block.key, makeBlock, drawBlock);
}

function makeBlock() {
  const title = el("h3", {});
  const list = el("dl", {});
  const block = el("section", {}, title, list);
  block.parts = { title, list };
  return block;
}

function drawBlock(block, { title, lines }) {
  say(block.parts.title, title);
  keyed(
    block.parts.list,
    lines,
    ([name]) => name,
    () => el("div", {}, el("dt", {}), el("dd", {})),
    (row, [name, value]) => {
      say(row.firstChild, name);
      say(row.lastChild, value);
      mark(row.lastChild, "data-unknown", value === UNKNOWN ? "yes" : "");
    },
  );
}

function actorLines(actor, now) {
  const lines = [
    [t("mode"), actor.liveness],
    [t("epoch"), count(actor.epoch)],
    [t("restarts"), count(actor.restarts)],
    [t("last_beat"), actor.heard_at === null ? t("never") : t("ago", { s: age(actor.heard_at, now) })],
  ];
  const death = actor.gave_up || actor.last_death;
  return death ? [...lines, [t("last_death"), death]] : lines;
}

function limitLines(limits, now) {
  return limits.map((limit) => {
    const used = limit.used === null ? (limit.name.startsWith("slippage") ? "" : UNKNOWN) : quantity(Number(limit.used).toFixed(2), false);
    const parts = [`${used ? `${used} / ` : ""}${quantity(limit.most, false)} ${limit.unit}`, limit.word];
    if (limit.reached_at !== null) parts.push(t("limit_reached", { s: age(limit.reached_at, now) }));
    if (limit.denied) parts.push(t("limit_denied", { n: count(limit.denied) }));
    return [`${limit.account === null ? "" : `${limit.account} `}max_${limit.name}`, parts.join(" · ")];
  });
}

function accountLines(account, now, flat) {
  const ago = (moment) => (moment === null ? t("never") : t("ago", { s: age(moment, now) }));
  const [alive, ...rest] = actorLines(account.actor, now);
  const mode = account.mode === null ? alive[1] : `${account.mode} (${account.reason})`;
  const lanes = account.lanes.map((lane) => `${lane.lane} ${count(lane.left)}${lane.waiting ? ` (+${lane.waiting})` : ""}`);
  // As of the account's report; since then they have grown by as much as the report is old.
  const since = account.at === null ? 0 : Math.max(0, (now - account.at) / 1000);
  const streams = Object.entries(account.streams).map(([name, old]) => `${name}: ${old === null ? UNKNOWN : seconds(old + since)}`);
  const odd = ["deaf", "too_old", "protection"].filter((name) => account[name].length).map((name) => [t(name), line(account[name])]);
  return [
    [t("mode"), mode],
    ...odd,
    ...rest,
    [t("reconciled"), ago(account.reconciled_at)],
    [t("stated"), ago(account.balance_at)],
    [t("equity"), usd(account.equity)],
    [t("available"), usd(account.available)],
    [t("margin"), percent(account.margin_ratio)],
    [t("liquidation_price"), flat ? "–" : usd(account.liquidation_price)],
    [t("unrealized"), usd(account.unrealized, { signed: true })],
    [t("realized"), usd(account.realized, { signed: true })],
    [t("fees"), usd(account.fees)],
    [t("funding"), usd(account.funding, { signed: true })],
    [t("lanes"), lanes.join(", ") || UNKNOWN],
    [t("streams"), streams.join(", ") || UNKNOWN],
    [t("clock_offset"), account.clock_offset_s === null ? UNKNOWN : `${quantity(account.clock_offset_s.toFixed(3))} s`],
  ];
}

function line(words) {
  return Array.isArray(words) ? words.join("; ") : words;
}
