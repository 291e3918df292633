/**
 * What the Look page shares with actions and the palette: the search's answer, the wall that is mounted, and the
 * search itself. Must never hold what belongs into the address.
 */
import { effect, signal, untracked } from "@preact/signals";
import { api, isAbort, serverNow } from "../api/client";
import type { Found } from "../api/types";
import { go, live, span, tick, view } from "../state/app";
import { DEFAULT_RANGE } from "../state/range";
import { defaults, PATHS, toUrl } from "../state/url";
import { normalised } from "./query";
import type { Wall } from "./wall";

export const found = signal<Found | null>(null);
export const findError = signal<unknown>(null);
/** The wall could not load: search again soon, which tells whether the server is another. */
export const wallFailed = signal(false);
export const finding = signal(false);
/** The wait for the answer as this browser saw it, milliseconds. */
export const foundMs = signal(0);
/** Which search `found` answers. */
export const foundFor = signal("");
/** The wall on the page, while there is one. */
export const wall = signal<Wall | null>(null);
/** Asked for by actions; the page owns the element. */
export const searchBox = signal<HTMLInputElement | null>(null);

const TYPING_MS = 30;
/** Until this much was recorded, the wall begins with a shorter range. */
const FRESH_MS = 4 * 60_000;
/** How often a live wall asks whether series came or went. */
const AGAIN_MS = 15_000;

const searchKey = (): string => {
  const v = view.value;
  const range = v.range.kind === "fixed" ? `${v.range.from}-${v.range.to}` : `last ${v.range.seconds}`;
  return JSON.stringify([normalised(v.q), v.match, v.group, range]);
};

let underway: AbortController | null = null;

async function search(key: string): Promise<void> {
  underway?.abort();
  const stop = new AbortController();
  underway = stop;
  const v = view.peek();
  const s = span.peek();
  finding.value = true;
  const began = performance.now();
  try {
    const answer = await api.find(
      { q: normalised(v.q), match: v.match, group: v.group, from: s.from, to: s.to },
      stop.signal,
    );
    foundMs.value = performance.now() - began;
    foundFor.value = key;
    found.value = answer;
    findError.value = null;
    wallFailed.value = false;
  } catch (e) {
    if (isAbort(e)) return;
    findError.value = e;
  } finally {
    if (underway === stop) {
      underway = null;
      finding.value = false;
    }
  }
}

export function searchAgain(): void {
  void search(searchKey());
}

/** A range that nobody chose is no longer than what there is to see: a fresh Midwatch would show thin slivers. */
export function fitFresh(): () => void {
  const stop = new AbortController();
  if (toUrl({ ...defaults("look"), range: view.peek().range }) !== PATHS.look) return () => undefined;
  api.status(stop.signal).then(
    ({ store }) => {
      const unchosen = JSON.stringify(view.peek().range) === JSON.stringify(DEFAULT_RANGE);
      const fresh = store.oldest_ms !== null && serverNow() - store.oldest_ms < FRESH_MS;
      if (unchosen && fresh) go({ range: { kind: "last", seconds: 300 } }, "replace");
    },
    () => undefined,
  );
  return () => stop.abort();
}

/** Searches whenever what is looked for changes, until the returned function is called. */
export function startSearching(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = "";
  let lastAt = 0;
  const stopKey = effect(() => {
    if (view.value.page !== "look") return;
    const key = searchKey();
    if (key === last) return;
    const first = last === "";
    last = key;
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        lastAt = performance.now();
        void search(key);
      },
      first ? 0 : TYPING_MS,
    );
  });
  const stopTick = effect(() => {
    tick.value;
    if (!live.value) return;
    untracked(() => {
      const failed = findError.peek() || wallFailed.peek();
      const due = failed ? 3000 : found.peek()?.filling ? 1000 : AGAIN_MS;
      if (lastAt === 0 || performance.now() - lastAt < due || underway) return;
      lastAt = performance.now();
      void search(searchKey());
    });
  });
  return () => {
    stopKey();
    stopTick();
    clearTimeout(timer);
    underway?.abort();
  };
}
