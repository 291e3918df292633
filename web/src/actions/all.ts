/**
 * Everything that can be done, as one list. Keyboard, palette and help all read it. Must never hold a key anywhere else.
 */
import { searchBox } from "../look/state";
import { running } from "../pages/asking";
import { moveRange, switchLive, zoomRange } from "../shell/RangeControl";
import { copyLink, go, openPage, overlay, view } from "../state/app";
import { PRESETS } from "../state/range";
import { isDark, setTheme } from "../state/theme";
import type { Page } from "../state/url";
import { advise, openAdvise } from "./advise";
import { cardinality } from "./cardinality";
import { compare } from "./compare";
import { logs } from "./logs";
import { chart, look, onLook } from "./look";
import { query } from "./query";
import type { Action } from "./registry";

/** Pages that show a range of time. */
const onTimed = (): boolean =>
  onLook() ||
  ["compare", "advise", "query", "logs", "traces", "changes", "critique"].includes(view.value.page);

function toPage(page: Page): () => void {
  return () => view.value.page !== page && openPage(page);
}

function searchFocus(): void {
  if (searchBox.value) {
    // At once: the next letter may be typed already.
    searchBox.value.select();
    return;
  }
  openPage("look");
  // The box comes with the page.
  const stop = searchBox.subscribe((box) => {
    if (!box) return;
    box.select();
    queueMicrotask(() => stop());
  });
}

const everywhere: Action[] = [
  {
    id: "palette",
    title: "Go to, do, or find anything",
    area: "Everywhere",
    keys: ["Ctrl+k"],
    run: () => (overlay.value = overlay.value === "palette" ? "none" : "palette"),
  },
  { id: "search", title: "Find series", area: "Everywhere", keys: ["/"], run: searchFocus },
  {
    id: "help",
    title: "All keys",
    area: "Everywhere",
    keys: ["?"],
    run: () => (overlay.value = overlay.value === "help" ? "none" : "help"),
  },
  { id: "home", title: "Home: is everything fine?", area: "Everywhere", keys: ["g h"], run: toPage("home") },
  { id: "look", title: "Look: every series", area: "Everywhere", keys: ["g l"], run: toPage("look") },
  {
    id: "traces",
    title: "Traces: where requests spent their time",
    area: "Everywhere",
    keys: ["g r"],
    run: toPage("traces"),
  },
  {
    id: "changes",
    title: "Changes: what was altered, and when",
    area: "Everywhere",
    keys: ["g x"],
    run: toPage("changes"),
  },
  {
    id: "critique",
    title: "Critique: what speaks against a plan or a belief",
    area: "Everywhere",
    keys: ["g k"],
    run: toPage("critique"),
  },
  {
    id: "headroom",
    title: "Headroom: what is bounded, the soonest first",
    area: "Everywhere",
    keys: ["g u"],
    run: toPage("headroom"),
  },
  {
    id: "captures",
    title: "Captures: the last minutes of everything, kept",
    area: "Everywhere",
    keys: ["g e"],
    run: toPage("captures"),
  },
  {
    id: "monitors",
    title: "Monitors: what is watched, and how it is",
    area: "Everywhere",
    keys: ["g w"],
    run: toPage("monitors"),
  },
  {
    id: "slos",
    title: "SLOs: what is promised, and whether it is kept",
    area: "Everywhere",
    keys: ["g p"],
    run: toPage("slos"),
  },
  {
    id: "what-moved",
    title: "What moved: all series of this time against before",
    area: "Everywhere",
    keys: ["b"],
    run: () => view.value.page !== "compare" && openPage("compare", { match: view.value.match }),
  },
  {
    id: "advise",
    title: "Advise: where to look first in this time",
    area: "Everywhere",
    keys: ["d"],
    run: () => view.value.page !== "advise" && openAdvise(),
  },
  {
    id: "logs",
    title: "Logs: search, patterns, one identifier",
    area: "Everywhere",
    keys: ["g o"],
    run: toPage("logs"),
  },
  {
    id: "query",
    title: "Query: ask anything in SQL or PromQL",
    area: "Everywhere",
    keys: ["g q"],
    run: toPage("query"),
  },
  {
    id: "targets",
    title: "Targets: what is collected, tried, refused",
    area: "Everywhere",
    keys: ["g t"],
    run: toPage("targets"),
  },
  {
    id: "cardinality",
    title: "Cardinality: where series come from",
    area: "Everywhere",
    keys: ["g c"],
    run: toPage("cardinality"),
  },
  {
    id: "midwatch",
    title: "Midwatch: what it does itself, and costs",
    area: "Everywhere",
    keys: ["g m"],
    run: toPage("midwatch"),
  },
  {
    id: "theme",
    title: "Light or dark colours",
    area: "Everywhere",
    keys: ["D"],
    run: () => setTheme(isDark() ? "light" : "dark"),
  },
  {
    id: "theme-system",
    title: "Colours as the system has them",
    area: "Everywhere",
    keys: [],
    run: () => setTheme("system"),
  },
  {
    id: "stop",
    title: "Stop what is being asked",
    area: "Everywhere",
    keys: ["Escape"],
    when: () => running.value !== null,
    run: () => running.value?.(),
  },
  {
    id: "link",
    title: "Copy a link to just this",
    area: "Everywhere",
    keys: ["u"],
    run: () => void copyLink(),
  },
];

const time: Action[] = [
  { id: "live", title: "Follow now, or stop", area: "Time", keys: ["Space"], when: onLook, run: switchLive },
  { id: "earlier", title: "Earlier", area: "Time", keys: ["["], when: onTimed, run: () => moveRange(-0.5) },
  { id: "later", title: "Later", area: "Time", keys: ["]"], when: onTimed, run: () => moveRange(0.5) },
  { id: "out", title: "Zoom out", area: "Time", keys: ["-"], when: onTimed, run: () => zoomRange(2) },
  { id: "in", title: "Zoom in", area: "Time", keys: ["+", "="], when: onTimed, run: () => zoomRange(0.5) },
  {
    id: "back",
    title: "Back to what was shown before",
    area: "Time",
    keys: ["Backspace"],
    when: onTimed,
    run: () => history.back(),
  },
  {
    id: "range",
    title: "Type a time range",
    area: "Time",
    keys: ["t"],
    when: onTimed,
    run: () => (overlay.value = "range"),
  },
  ...PRESETS.map(
    (p, i): Action => ({
      id: `last-${p.text}`,
      title: `Last ${p.text}`,
      area: "Time",
      keys: [String(i + 1)],
      when: onTimed,
      run: () => go({ range: { kind: "last", seconds: p.seconds } }),
    }),
  ),
];

export const ACTIONS: readonly Action[] = [
  ...everywhere,
  ...time,
  ...look,
  ...chart,
  ...compare,
  ...query,
  ...advise,
  ...cardinality,
  ...logs,
];
