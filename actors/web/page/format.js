// Numbers and times for people. What is not known is a question mark, never a zero.

import { language, t } from "/page/language.js";

export const UNKNOWN = "?";
const SECOND = 1000;
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

function known(value) {
  return value !== null && value !== undefined && value !== "";
}

function locale() {
  return language() === "zh" ? "zh-CN" : "en-US";
}

function minus(text) {
  return text.replace("-", "−");
}

export function quantity(value, signed = true) {
  if (!known(value)) return UNKNOWN;
  const number = Number(value);
  const options = { maximumFractionDigits: 8, signDisplay: signed ? "exceptZero" : "auto" };
  return minus(number.toLocaleString(locale(), options));
}

export function usd(value, { signed = false, cents = true } = {}) {
  if (!known(value)) return UNKNOWN;
  const digits = cents ? 2 : 0;
  const text = Math.abs(Number(value)).toLocaleString(locale(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const sign = Number(value) < 0 ? "−" : signed && Number(value) > 0 ? "+" : "";
  return `${sign}$${text}`;
}

export function percent(fraction, digits = 1) {
  if (!known(fraction)) return UNKNOWN;
  return `${(Number(fraction) * 100).toFixed(digits)}%`;
}

export function seconds(value) {
  if (!known(value)) return UNKNOWN;
  const total = Math.max(0, Number(value));
  if (total < 10) return t("unit_s", { n: total.toFixed(1) });
  if (total < MINUTE_S) return t("unit_s", { n: Math.floor(total) });
  if (total < HOUR_S) {
    return t("unit_ms", { m: Math.floor(total / MINUTE_S), s: two(Math.floor(total % MINUTE_S)) });
  }
  if (total < DAY_S) {
    return t("unit_hm", { h: Math.floor(total / HOUR_S), m: two(Math.floor((total % HOUR_S) / MINUTE_S)) });
  }
  return t("unit_dh", { d: Math.floor(total / DAY_S), h: Math.floor((total % DAY_S) / HOUR_S) });
}

export function age(moment, now) {
  return known(moment) ? seconds((now - moment) / SECOND) : UNKNOWN;
}

export function clock(moment) {
  return known(moment) ? new Date(moment).toISOString().slice(11, 23) : UNKNOWN;
}

export function moment(at) {
  return known(at) ? `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC` : UNKNOWN;
}

export function count(value) {
  return known(value) ? Number(value).toLocaleString(locale(), { maximumFractionDigits: 0 }) : UNKNOWN;
}

function two(number) {
  return String(number).padStart(2, "0");
}
