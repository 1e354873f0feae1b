// Bots that only send heartbeats to /ingest: one card each, and nothing to press.

import { byId, el, keyed, mark, say, show } from "/page/dom.js";
import { figure, put } from "/page/card.js";
import { age, quantity, usd, UNKNOWN } from "/page/format.js";
import { t } from "/page/language.js";

const EVERY_MS = 2000;
const FIELDS = ["role", "direction", "position", "unrealized", "equity", "last_beat"];

export class Bots {
  constructor() {
    this.all = [];
    this.at = null;
    this.heard = 0;
    setInterval(() => this.refresh(), EVERY_MS);
    this.refresh();
  }

  async refresh() {
    try {
      const answer = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(EVERY_MS) });
      if (!answer.ok) return;
      const status = await answer.json();
      this.all = status.bots ?? [];
      this.at = status.at ?? Date.now();
      this.heard = performance.now();
    } catch {
      // the bar on top says that the supervisor is lost
    }
  }

  // Our own groups and legs send heartbeats, too; they have a card already.
  draw() {
    const shown = this.all.filter((bot) => !bot.is_own);
    keyed(byId("bot-cards"), shown, (bot) => bot.bot, makeBot, (card, bot) => this.drawBot(card, bot));
    show(byId("bots"), shown.length > 0);
  }

  drawBot(card, bot) {
    const { parts } = card;
    mark(card, "data-level", bot.online ? "ok" : "warn");
    mark(parts.badge, "data-level", bot.online ? "ok" : "warn");
    say(parts.badge, t(bot.online ? "online" : "offline"));
    say(parts.what, bot.symbol ?? "");
    put(parts.fields.role, [bot.group, bot.role].filter(Boolean).join(" · ") || UNKNOWN);
    put(parts.fields.direction, bot.direction || UNKNOWN);
    put(parts.fields.position, quantity(bot.position_base), bot.max_position_base ? `/ ${quantity(bot.max_position_base, false)}` : "");
    put(parts.fields.unrealized, usd(bot.pnl_unrealized, { signed: true }));
    put(parts.fields.equity, usd(bot.balance_total));
    const now = this.at + (performance.now() - this.heard);
    put(parts.fields.last_beat, t("ago", { s: age(bot.received_at, now) }));
  }
}

function makeBot(bot) {
  const parts = {
    badge: el("span", { class: "badge" }),
    what: el("span", { class: "what" }),
    fields: Object.fromEntries(FIELDS.map((name) => [name, figure(name)])),
  };
  const card = el(
    "article",
    { class: "bot" },
    el("header", {}, el("h3", { text: bot.bot }), parts.what, parts.badge),
    el("div", { class: "money" }, ...FIELDS.map((name) => parts.fields[name].box)),
  );
  card.parts = parts;
  return card;
}
