/**
 * What the interface knows: the view (which the address bar mirrors), the clock that live views tick by, theme and
 * messages. All changes of the view go through `go`. Must never ask the server: pages do.
 */
import { computed, signal } from "@preact/signals";
import { serverNow } from "../api/client";
import { refreshMs, resolve, type Span } from "./range";
import { defaults, isNavigation, type Page, parseUrl, toUrl, unreadable, type ViewState } from "./url";

export const view = signal<ViewState>(parseUrl(location.href));

/** Small charts have this many slots; the live range moves by whole ones. */
export const TILE_POINTS = 60;

/** The moment that live views are drawn for; moves only while live and visible. */
export const tick = signal(serverNow());

export const live = computed(() => view.value.range.kind === "last");

/** Until when the range lasts for small charts. */
export const span = computed<Span>(() => resolve(view.value.range, tick.value, TILE_POINTS));

/** One line said aloud and shown briefly: what an action did. */
export const message = signal("");

/** Which overlay is open above the page. */
export const overlay = signal<"none" | "palette" | "help" | "range">("none");

/** Changes the view; the address follows. */
export function go(change: Partial<ViewState>, how: "auto" | "replace" | "push" = "auto"): void {
  const before = view.value;
  const after = { ...before, ...change };
  const url = toUrl(after);
  if (url === toUrl(before)) return;
  if (change.range) tick.value = serverNow();
  view.value = after;
  const push = how === "push" || (how === "auto" && isNavigation(before, after));
  if (push) history.pushState(null, "", url);
  else scheduleReplace();
}

/** Browsers limit how often the address may change (Safari: 100 in 30 s), so small changes wait a moment. */
let replaceTimer: ReturnType<typeof setTimeout> | undefined;
function scheduleReplace(): void {
  clearTimeout(replaceTimer);
  replaceTimer = setTimeout(settleAddress, 150);
}

/** Writes the address now: before leaving, copying, or adding to the history. */
export function settleAddress(): void {
  clearTimeout(replaceTimer);
  const url = toUrl(view.value);
  if (url !== location.pathname + location.search) history.replaceState(null, "", url);
}

/** How Look was left, so that its name in the bar leads back there. */
export const lastLook = signal<ViewState | null>(null);

/** Another page, keeping the time range only. */
export function openPage(page: Page, change: Partial<ViewState> = {}): void {
  settleAddress();
  if (view.value.page === "look") lastLook.value = page === "look" ? null : view.value;
  go({ ...defaults(page), range: view.value.range, ...change }, "push");
}

/** Shows one line for a while. */
let messageTimer: ReturnType<typeof setTimeout> | undefined;
export function say(text: string): void {
  message.value = text;
  clearTimeout(messageTimer);
  messageTimer = setTimeout(() => {
    message.value = "";
  }, 4000);
}

/** Copies the address, which holds all that is looked at. */
export async function copyLink(): Promise<void> {
  settleAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied: it shows a colleague the same.");
  } catch {
    say("The browser does not let this page copy: take the link from the address bar.");
  }
}

let liveTimer: ReturnType<typeof setTimeout> | undefined;
/** The live clock: ticks by the width of the range, and rests while nobody looks. */
function schedule(): void {
  clearTimeout(liveTimer);
  liveTimer = setTimeout(() => {
    if (live.value && !document.hidden) tick.value = serverNow();
    schedule();
  }, refreshMs(view.value.range));
}

/** Counts the steps through the browser's history: what was scrolled to is to be restored. */
export const restored = signal(0);

/** Begins to listen to the browser: history, visibility, the live clock. */
export function start(): void {
  const fault = unreadable(location.href);
  if (fault !== "") say(fault);
  addEventListener("popstate", () => {
    clearTimeout(replaceTimer);
    tick.value = serverNow();
    view.value = parseUrl(location.href);
    restored.value++;
  });
  addEventListener("pagehide", settleAddress);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (live.value) tick.value = serverNow();
    schedule();
  });
  view.subscribe(schedule);
}
