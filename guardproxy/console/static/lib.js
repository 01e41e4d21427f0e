// What every page uses: the API, the feed, the address bar, settings that a browser keeps.
import {
  html, render, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState, useCallback,
} from "./vendor/htm-preact.mjs";
import { t, locale } from "./words.js";

export { html, render, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState, useCallback };

let csrf = "";
let onSignedOut = () => {};

export const setCsrf = (token) => { csrf = token; };
export const whenSignedOut = (act) => { onSignedOut = act; };

// What went wrong, in words for the person in front of it.
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function api(path, method = "GET", body = undefined) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(t("offline"), 0);
  }
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  if (response.status === 401 && path !== "session") onSignedOut();
  throw new Problem(told.error?.message ?? `${response.status} ${response.statusText}`, response.status);
}

// {value, error, loading, reload}: loaded when `deps` change, and every `seconds` while shown.
export function useLoad(load, deps, seconds = 0) {
  const [state, setState] = useState({ value: null, error: null, loading: true });
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++turn.current;
    try {
      const value = await load();
      if (mine === turn.current) setState({ value, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((old) => ({ value: old.value, error, loading: false }));
    }
  }, deps);
  useEffect(() => {
    setState((old) => ({ ...old, loading: true }));
    reload();
    if (!seconds) return undefined;
    const timer = setInterval(() => { if (!document.hidden) reload(); }, seconds * 1000);
    return () => clearInterval(timer);
  }, [reload]);
  return { ...state, reload };
}

// ---- the feed: one connection for all pages -------------------------------------------------
const HELD = 500; // rows kept between two frames: a hidden tab draws none and must not grow
const listeners = new Set();
let source = null;
let waiting = [];
let missed = 0;
let drawing = false;
let state = "connecting";

function hand() {
  drawing = false;
  const rows = waiting;
  const gone = missed;
  waiting = [];
  missed = 0;
  for (const one of listeners) one({ rows, missed: gone, state });
}

function soon() {
  if (drawing) return;
  drawing = true;
  (document.hidden ? (f) => setTimeout(f, 1000) : requestAnimationFrame)(hand);
}

function connect() {
  source = new EventSource("/api/feed");
  source.addEventListener("open", () => { state = "live"; soon(); });
  source.addEventListener("decisions", (event) => {
    const told = JSON.parse(event.data);
    waiting.push(...told.rows);
    missed += told.missed;
    if (waiting.length > HELD) missed += waiting.splice(0, waiting.length - HELD).length;
    soon();
  });
  source.addEventListener("error", () => {
    state = "lost";
    soon();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listeners.size && connect(), 3000);
  });
}

export function useFeed(hear) {
  const latest = useRef(hear);
  latest.current = hear;
  useEffect(() => {
    const one = (news) => latest.current(news);
    listeners.add(one);
    if (!source || source.readyState === EventSource.CLOSED) connect();
    else one({ rows: [], missed: 0, state });
    return () => {
      listeners.delete(one);
      if (!listeners.size) { source.close(); source = null; state = "connecting"; }
    };
  }, []);
}

// ---- the address bar: #/page/part?key=value --------------------------------------------------
export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/").map(decodeURIComponent);
  return { page: page || "live", part: rest.join("/"), query: new URLSearchParams(query) };
}

export function go(page, part = "", query = {}) {
  const asked = new URLSearchParams(query).toString();
  location.hash = `/${page}${part ? `/${encodeURIComponent(part)}` : ""}${asked ? `?${asked}` : ""}`;
}

export function usePlace() {
  const [now, setNow] = useState(place());
  useEffect(() => {
    const changed = () => setNow(place());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return now;
}

// ---- what this browser remembers --------------------------------------------------------------
export function kept(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(`guardproxy.${key}`)) ?? fallback;
  } catch {
    return fallback; // storage is off, or holds something else: the default serves
  }
}

export function keep(key, value) {
  try {
    localStorage.setItem(`guardproxy.${key}`, JSON.stringify(value));
  } catch {
    // storage is off: remembered until the page closes
  }
}

export const colleague = () => kept("name", "") || "console";

// ---- numbers and times as people read them ------------------------------------------------------
export const clock = (at) =>
  new Date(at * 1000).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const moment = (at) =>
  new Date(at * 1000).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });

export const count = (value) => value.toLocaleString(locale());

export const share = (value) =>
  value === null ? "–" : value.toLocaleString(locale(), { style: "percent", maximumFractionDigits: 1 });

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("seconds", { n: whole });
  if (whole < 3600) return t("minutes", { n: Math.floor(whole / 60) });
  if (whole < 86400) return t("hours", { n: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
  return t("days", { n: Math.floor(whole / 86400) });
}

export const took = (seconds) => {
  if (seconds === null) return "–";
  const milli = seconds * 1000;
  const digits = milli < 10 ? 1 : 0;
  return seconds < 1
    ? `${milli.toLocaleString(locale(), { maximumFractionDigits: digits })} ms`
    : `${seconds.toLocaleString(locale(), { maximumFractionDigits: 1 })} s`;
};

export function useNow(every = 1000) {
  const [now, setNow] = useState(Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), every);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function download(name, text, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Keys for a page, left alone while somebody types.
export function useKeys(keys, deps) {
  useEffect(() => {
    const pressed = (event) => {
      const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const act = keys[event.key];
      if (act) { event.preventDefault(); act(); }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, deps);
}
