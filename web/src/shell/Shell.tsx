/**
 * The frame around every page: the bar, the page, and what lies above it. Must never know what a page shows.
 */
import { useEffect } from "preact/hooks";
import { Home } from "../home/Home";
import { Look } from "../look/Look";
import { AdvisePage } from "../pages/AdvisePage";
import { CardinalityPage } from "../pages/CardinalityPage";
import { ComparePage } from "../pages/ComparePage";
import { CapturesPage } from "../pages/captures/CapturesPage";
import { ChangesPage } from "../pages/changes/ChangesPage";
import { CriticPage } from "../pages/critic/CriticPage";
import { HeadroomPage } from "../pages/HeadroomPage";
import { LogsPage } from "../pages/LogsPage";
import { MidwatchPage } from "../pages/MidwatchPage";
import { MonitorsPage } from "../pages/monitors/MonitorsPage";
import { SlosPage } from "../pages/slos/SlosPage";
import { TargetsPage } from "../pages/TargetsPage";
import { TracesPage } from "../pages/traces/TracesPage";
import { Help } from "../palette/Help";
import { PaletteBox } from "../palette/PaletteBox";
import { QueryPage } from "../query/QueryPage";
import { lastLook, message, openPage, overlay, view } from "../state/app";
import { isDark, setTheme, theme } from "../state/theme";
import { PATHS, type Page, parseUrl, toUrl } from "../state/url";
import { Nav, type Place } from "./Nav";
import { RangeControl } from "./RangeControl";

const PAGES: readonly Place[] = [
  { page: "home", title: "Home" },
  { page: "slos", title: "SLOs" },
  { page: "monitors", title: "Monitors" },
  { page: "look", title: "Look" },
  { page: "compare", title: "What moved" },
  { page: "advise", title: "Advise" },
  { page: "logs", title: "Logs" },
  { page: "traces", title: "Traces" },
  { page: "changes", title: "Changes", isSeldom: true },
  { page: "query", title: "Query", isSeldom: true },
  { page: "critique", title: "Critique" },
  { page: "captures", title: "Captures", isSeldom: true },
  { page: "headroom", title: "Headroom", isSeldom: true },
  { page: "targets", title: "Targets", isSeldom: true },
  { page: "cardinality", title: "Cardinality", isSeldom: true },
  { page: "midwatch", title: "Midwatch", isSeldom: true },
];

const SHOWS = {
  home: Home,
  look: Look,
  compare: ComparePage,
  advise: AdvisePage,
  logs: LogsPage,
  traces: TracesPage,
  changes: ChangesPage,
  query: QueryPage,
  critique: CriticPage,
  captures: CapturesPage,
  headroom: HeadroomPage,
  monitors: MonitorsPage,
  slos: SlosPage,
  targets: TargetsPage,
  cardinality: CardinalityPage,
  midwatch: MidwatchPage,
};

/** Pages that show a range of time. */
const TIMED: readonly Page[] = [
  "look",
  "compare",
  "advise",
  "query",
  "logs",
  "traces",
  "changes",
  "critique",
];

/** Look leads back to how it was left; from Look itself, to all of it. */
function hrefOf(page: Page): string {
  const left = lastLook.value;
  return page === "look" && left && view.value.page !== "look"
    ? toUrl({ ...left, range: view.value.range })
    : PATHS[page];
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M2 19h7l3-10 6 16 4-10 2 4h6" />
    </svg>
  );
}

/** Past all that stands above every page, for those who go by keyboard. */
function toPage(): void {
  const main = document.querySelector("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}

function Bar() {
  const { page } = view.value;
  const dark = theme.value === "dark" || (theme.value === "system" && isDark());
  return (
    <header class="bar">
      <button type="button" class="button skip" onClick={toPage}>
        Skip to the page
      </button>
      <a class="brand" href="/" aria-label="Midwatch, home">
        <Mark />
      </a>
      <Nav places={PAGES} page={page} hrefOf={hrefOf} />
      <div class="bar-right">
        {TIMED.includes(page) && <RangeControl />}
        <button
          type="button"
          class="bar-search"
          onClick={() => (overlay.value = "palette")}
          aria-label="Go to, do, or find anything"
          title="Go to, do, or find anything (Ctrl K)"
        >
          <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5 14 14" />
          </svg>
          <span class="bar-search-word">Go to …</span>
          <kbd>Ctrl K</kbd>
        </button>
        <button
          type="button"
          class="bar-button"
          aria-label={dark ? "Change to light colours" : "Change to dark colours"}
          title={dark ? "Light (D)" : "Dark (D)"}
          onClick={() => setTheme(dark ? "light" : "dark")}
        >
          <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M8 2a6 6 0 1 0 0 12z" class="filled" />
            <path d="M8 2a6 6 0 1 1 0 12 6 6 0 0 1 0-12z" />
          </svg>
        </button>
        <button
          type="button"
          class="bar-button"
          aria-label="Keys and help"
          title="Help (?)"
          onClick={() => (overlay.value = "help")}
        >
          ?
        </button>
      </div>
    </header>
  );
}

/** Links of this page change the page without loading it anew. */
function followLink(e: MouseEvent): void {
  if (e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element | null)?.closest("a");
  if (!a || a.target || a.origin !== location.origin || a.hasAttribute("download")) return;
  if (!Object.values(PATHS).includes(a.pathname)) return;
  e.preventDefault();
  const url = new URL(a.href);
  openPageFromUrl(url.pathname + url.search);
}

function openPageFromUrl(url: string): void {
  const next = parseUrl(url);
  const hasRange = /[?&](last|from)=/.test(url);
  openPage(next.page, hasRange ? next : { ...next, range: view.value.range });
  scrollTo(0, 0);
}

export function Shell() {
  useEffect(() => {
    document.addEventListener("click", followLink);
    return () => document.removeEventListener("click", followLink);
  }, []);
  const { page } = view.value;
  const Page = SHOWS[page];
  useEffect(() => {
    const title = PAGES.find((p) => p.page === page)!.title;
    document.title = page === "midwatch" ? "Midwatch" : `${title} – Midwatch`;
  }, [page]);
  return (
    <>
      <Bar />
      <Page />
      {overlay.value === "palette" && <PaletteBox />}
      {overlay.value === "help" && <Help />}
      <div class="message" role="status">
        {message.value}
      </div>
    </>
  );
}
