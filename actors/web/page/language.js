// Which language is spoken, and how a sentence is found. The sentences themselves are in dictionary.js.

import { DICTIONARY, SPOKEN } from "/page/dictionary.js";

const KEPT = "hedgevisor.language";
let chosen = kept() ?? wanted();

function kept() {
  try {
    const found = localStorage.getItem(KEPT);
    return found in DICTIONARY ? found : null;
  } catch {
    return null; // a browser that keeps nothing still shows everything
  }
}

// The settings say what people read here; without a word from them, the browser does.
function wanted() {
  if (document.documentElement.lang.startsWith("zh")) return "zh";
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function language() {
  return chosen;
}

export function other() {
  return chosen === "en" ? "zh" : "en";
}

export function speak(next) {
  chosen = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // spoken until the page is left
  }
}

export function has(key) {
  return key in DICTIONARY.en;
}

export function t(key, values = {}) {
  const text = DICTIONARY[chosen][key] ?? DICTIONARY.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// What actors and strategies say comes in English. The sentences that are known are said in the reader's language.
export function spoken(text) {
  if (chosen === "en" || !text) return text;
  return text
    .split("; ")
    .map((part) => part.split(/ -> (?![-\d.]+: )/).map(phrase).join(" → "))
    .join("；");
}

function phrase(text) {
  for (const [pattern, translated] of SPOKEN) {
    const found = pattern.exec(text);
    if (found) return translated.replace(/\$(\d)/g, (_, place) => found[Number(place)] ?? "");
  }
  return text;
}

export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
}

document.documentElement.lang = chosen;
