// The bar on top: in one sentence, is money at risk; in a second one, what to press.

import { byId, el, keyed, mark, say, show } from "/page/dom.js";
import { age, seconds, usd } from "/page/format.js";
import { t } from "/page/language.js";

export const LEVELS = ["ok", "note", "warn", "danger"];
export const SIGNS = { ok: "✓", note: "i", warn: "!", danger: "✕", lost: "?" };
const NAMES_SHOWN = 3;
const TROUBLE = 2; // from here on, a verdict is a trouble
const COUNTED = ["hedged", "flat", "finished", "paused", "reducing", "starting"];

export function drawHeadline(board, link, now) {
  if (link.lost || board === null) {
    drawLost(board, link);
    return;
  }
  const troubles = board.headlines.filter((each) => each.level >= TROUBLE);
  if (troubles.length === 0) drawCalm(board);
  else putTrouble(troubles[0], now);
  const others = troubles.slice(1);
  keyed(
    byId("troubles"),
    others,
    (each) => each.kind,
    () => el("li", {}, el("a", {})),
    (item, each) => {
      mark(item, "data-level", LEVELS[each.level]);
      say(item.firstChild, sentence("h", each, now));
      mark(item.firstChild, "href", each.groups.length ? `#group-${each.groups[0]}` : "");
    },
  );
  show(byId("troubles"), others.length > 0);
}

function putTrouble(worst, now) {
  const about = `${worst.kind}/${worst.groups}`;
  put(LEVELS[worst.level], sentence("h", worst, now), sentence("d", worst, now), about);
}

function drawLost(board, link) {
  const s = seconds(link.silentMs / 1000);
  if (!link.lost) put("note", t("h_waiting"), t("d_waiting"));
  else if (board === null) put("lost", t("h_never"), t("d_never", { s }), "lost");
  else put("lost", t("h_lost", { s }), t("d_lost", { s }), "lost");
  show(byId("troubles"), false);
}

function drawCalm(board) {
  const total = board.groups.length;
  const counts = board.headlines.map((each) => [each.kind, each.groups.length]);
  const list = counts
    .map(([kind, n]) => t(COUNTED.includes(kind) ? `n_${kind}` : "n_other", { n }))
    .join(" · ");
  const only = counts.length === 1 ? `h_calm_all_${counts[0][0]}` : "";
  const known = ["h_calm_all_hedged", "h_calm_all_flat", "h_calm_all_finished"];
  const level = LEVELS[board.level];
  if (total === 0) put("note", t("h_calm_none"), t("d_none"));
  else put(level, t(known.includes(only) ? only : "h_calm_mixed"), t("d_calm", { list }));
}

let announced = "";

// A screen reader is told when something else is the matter, not each second how long it has been.
function announce(about, headline) {
  if (about === announced) return;
  announced = about;
  say(byId("announced"), headline);
}

function put(level, headline, advice, about = headline) {
  announce(about, headline);
  mark(byId("top"), "data-level", level);
  say(byId("sign"), SIGNS[level]);
  say(byId("headline"), headline);
  say(byId("advice"), advice);
  const title = `${SIGNS[level]} ${headline} · Hedgevisor`;
  if (document.title !== title) document.title = title;
}

function sentence(prefix, each, now) {
  return t(`${prefix}_${each.kind}`, {
    groups: names(each.groups),
    s: age(each.since, now),
    usd: each.usd === null ? t("unknown_usd") : usd(each.usd),
  });
}

function names(groups) {
  if (groups.length === 1) return t("groups_one", { name: groups[0] });
  const shown = groups.slice(0, NAMES_SHOWN).join(", ") + (groups.length > NAMES_SHOWN ? " …" : "");
  return t("groups_many", { n: groups.length, names: shown });
}
