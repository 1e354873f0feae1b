// What changes something: five buttons a group, prune, and the token that they need.

import { byId, mark, say, show } from "/page/dom.js";
import { t } from "/page/language.js";

const TOKEN = "hedgevisor.token";
const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const ACCEPTED = 202;
const MINUTE_MS = 60_000;
const TOAST_MS = 8000;
const ANSWER_MS = 15_000;
let pressed = null;
let hide = 0;

export function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

export function toast(text, level = "ok") {
  const node = byId("toast");
  mark(node, "data-level", level);
  say(node, text);
  show(node, true);
  clearTimeout(hide);
  hide = setTimeout(() => show(node, false), TOAST_MS);
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token()) headers["X-Auth-Token"] = token();
  const answer = await fetch(path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  let content = {};
  try {
    content = await answer.json();
  } catch {
    // an answer without a reason is shown by its number
  }
  return { status: answer.status, ok: answer.ok, content };
}

// Says what became of a request; returns whether it was taken. A wrong token asks for another one.
function judge({ status, ok, content }) {
  if (ok) return true;
  if (status === UNAUTHORIZED) {
    const had = token() !== "";
    askToken(had ? t("wrong_token") : t("needs_token"));
    toast(had ? t("wrong_token") : t("needs_token"), "danger");
    return false;
  }
  const level = status === FORBIDDEN ? "danger" : "warn";
  toast(t("refused", { error: content.error ?? `HTTP ${status}` }), level);
  return false;
}

// --- the buttons --------------------------------------------------------------------------------------------------

export function askPress(group, verb) {
  pressed = { group, verb };
  say(byId("confirm-title"), t(`ask_${verb}`, { group }));
  say(byId("confirm-text"), t(`what_${verb}`));
  say(byId("confirm-label"), t("confirm_label", { group }));
  say(byId("confirm-yes"), t(verb));
  mark(byId("confirm-yes"), "class", verb);
  say(byId("confirm-error"), "");
  byId("confirm-name").value = "";
  byId("confirm-reason").value = "";
  byId("confirm-yes").disabled = true;
  byId("confirm").showModal();
  byId("confirm-name").focus();
}

async function press() {
  const { group, verb } = pressed;
  const name = byId("confirm-name").value.trim();
  if (name !== group) {
    say(byId("confirm-error"), t("confirm_wrong"));
    return;
  }
  byId("confirm-yes").disabled = true;
  const path = `/api/groups/${encodeURIComponent(group)}/${verb}`;
  try {
    const answer = await post(path, { reason: byId("confirm-reason").value.trim(), confirm: name });
    byId("confirm").close();
    const later = answer.status === ACCEPTED;
    const key = (later ? "told_later" : "told") + (verb === "restart" ? "_restart" : "");
    if (judge(answer)) toast(t(key, { group, verb: t(verb) }), later ? "warn" : "ok");
  } catch {
    say(byId("confirm-error"), t("unreachable"));
    byId("confirm-yes").disabled = false;
  }
}

// --- token and prune ----------------------------------------------------------------------------------------------

export function askToken(error = "") {
  say(byId("token-error"), error);
  byId("token-value").value = "";
  if (!byId("token-dialog").open) byId("token-dialog").showModal();
  byId("token-value").focus();
}

export function drawToken() {
  say(byId("token"), token() ? t("token_set") : t("token"));
}

function keepToken(value) {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
  byId("token-dialog").close();
  drawToken();
}

async function prune(afterwards) {
  const minutes = Number(byId("prune-minutes").value);
  if (!Number.isFinite(minutes) || minutes < 0) return;
  try {
    const answer = await post(`/admin/prune?older_ms=${Math.round(minutes * MINUTE_MS)}`, {});
    byId("prune-dialog").close();
    if (judge(answer)) {
      const gone = answer.content.pruned ?? answer.content.removed ?? [];
      toast(t("pruned", { n: Array.isArray(gone) ? gone.join(", ") || t("none") : gone }));
      await afterwards();
    }
  } catch {
    say(byId("prune-error"), t("unreachable"));
  }
}

// --- wiring -------------------------------------------------------------------------------------------------------

export function wire(afterPrune) {
  byId("token").addEventListener("click", () => askToken());
  byId("prune").addEventListener("click", () => {
    say(byId("prune-error"), "");
    byId("prune-dialog").showModal();
  });
  byId("confirm-name").addEventListener("input", () => {
    byId("confirm-yes").disabled = byId("confirm-name").value.trim() !== pressed.group;
  });
  submits("confirm", press);
  submits("token-dialog", () => keepToken(byId("token-value").value.trim()));
  submits("prune-dialog", () => prune(afterPrune));
  for (const name of ["confirm", "token", "prune"]) {
    const dialog = byId(name === "confirm" ? "confirm" : `${name}-dialog`);
    byId(`${name}-no`).addEventListener("click", () => dialog.close());
  }
  byId("token-forget").addEventListener("click", () => keepToken(""));
}

function submits(id, action) {
  byId(id)
    .querySelector("form")
    .addEventListener("submit", (event) => {
      event.preventDefault();
      action();
    });
}
