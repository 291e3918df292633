/**
 * What can be done on the Look page: on the wall, and on the large chart. Must never hold what also works elsewhere.
 */
import { copyPromql, stepChart } from "../chart/steps";
import { openTile, toggleGroup, togglePick } from "../look/gestures";
import { groupOf } from "../look/layout";
import { wall } from "../look/state";
import { groupKey } from "../look/wall";
import { go, view } from "../state/app";
import type { Under } from "../state/url";
import { openLike } from "./compare";
import type { Action } from "./registry";

export const onLook = (): boolean => view.value.page === "look";
const chartOpen = (): boolean => onLook() && view.value.open.length > 0;
const onWall = (): boolean => onLook() && wall.value !== null && (wall.value.found?.ids.length ?? 0) > 0;
/** Letters that the chart uses for itself are the wall's only while no chart is open. */
const wallOnly = (): boolean => onWall() && !chartOpen();

function focusWall(): void {
  if (document.activeElement?.id !== "wall") document.getElementById("wall")?.focus({ preventScroll: true });
  const w = wall.value;
  if (w) w.focused = true;
}

function onCursor(f: (index: number) => void): void {
  const w = wall.value;
  if (!w) return;
  focusWall();
  if (w.cursor < 0) w.setCursor(w.inSight()[0] ?? 0);
  if (w.cursor >= 0) f(w.cursor);
}

function toggleUnder(u: Under): () => void {
  return () => {
    const { under } = view.value;
    const next = under.includes(u) ? under.filter((x) => x !== u) : [...under, u];
    go({ under: (["h", "y", "w"] as const).filter((x) => next.includes(x)) });
  };
}

function moves(id: string, title: string, keys: string[], run: () => void): Action {
  return {
    id,
    title,
    area: "Look",
    keys,
    when: wallOnly,
    keysOnly: true,
    run: () => {
      focusWall();
      run();
    },
  };
}

export const look: Action[] = [
  moves("left", "Left", ["ArrowLeft", "h"], () => wall.value?.move("left")),
  moves("down", "Down", ["ArrowDown", "j"], () => wall.value?.move("down")),
  moves("up", "Up", ["ArrowUp", "k"], () => wall.value?.move("up")),
  moves("right", "Right", ["ArrowRight", "l"], () => wall.value?.move("right")),
  moves("group-next", "Next group", ["}", "J"], () => wall.value?.moveGroup(1)),
  moves("group-before", "Group before", ["{", "K"], () => wall.value?.moveGroup(-1)),
  moves("first", "First series", ["Home", "g g"], () => wall.value?.moveTo("first")),
  moves("last", "Last series", ["End", "G"], () => wall.value?.moveTo("last")),
  {
    id: "open",
    title: "Open the chart of this series, or compare the picked ones",
    area: "Look",
    keys: ["Enter"],
    when: wallOnly,
    keysOnly: true,
    run: () =>
      view.value.pick.length > 1 ? go({ open: view.value.pick }) : onCursor((i) => openTile(wall.value!, i)),
  },
  {
    id: "pick",
    title: "Pick this series for comparison",
    area: "Look",
    keys: ["x"],
    when: wallOnly,
    keysOnly: true,
    run: () => onCursor((i) => togglePick(wall.value!, i)),
  },
  {
    id: "compare",
    title: "Compare the picked series",
    area: "Look",
    keys: ["c"],
    when: () => wallOnly() && view.value.pick.length > 0,
    run: () => go({ open: view.value.pick }),
  },
  {
    id: "unpick",
    title: "Forget the picked series",
    area: "Look",
    keys: ["X"],
    when: () => onLook() && view.value.pick.length > 0,
    run: () => go({ pick: [] }),
  },
  {
    id: "shut",
    title: "Shut or open this group",
    area: "Look",
    keys: ["o"],
    when: wallOnly,
    keysOnly: true,
    run: () => onCursor((i) => toggleGroup(groupOf(wall.value!.layout, i))),
  },
  {
    id: "shut-all",
    title: "Shut all groups, or open all",
    area: "Look",
    keys: ["O"],
    when: wallOnly,
    run: () =>
      go({ shut: view.value.shut.length > 0 ? [] : (wall.value?.found?.groups ?? []).map(groupKey) }),
  },
  {
    id: "group",
    title: "Group by thing or by metric",
    area: "Look",
    keys: ["e"],
    when: onLook,
    run: () => go({ group: view.value.group === "entity" ? "metric" : "entity", at: "", shut: [] }),
  },
  {
    id: "raw",
    title: "Counters as rates, or as they are",
    area: "Look",
    keys: ["r"],
    when: onLook,
    run: () => go({ raw: !view.value.raw }),
  },
  {
    id: "everything",
    title: "Show every series",
    area: "Look",
    keys: ["a"],
    when: () => onLook() && (view.value.q !== "" || view.value.match !== ""),
    run: () => go({ q: "", match: "" }),
  },
];

export const chart: Action[] = [
  {
    id: "close",
    title: "Close the chart",
    area: "Chart",
    keys: ["Escape"],
    when: chartOpen,
    run: () => {
      go({ open: [], why: false });
      focusWall();
    },
  },
  {
    id: "next",
    title: "Next series",
    area: "Chart",
    keys: ["n", "ArrowRight"],
    when: chartOpen,
    keysOnly: true,
    run: () => stepChart("right"),
  },
  {
    id: "before",
    title: "Series before",
    area: "Chart",
    keys: ["p", "ArrowLeft"],
    when: chartOpen,
    keysOnly: true,
    run: () => stepChart("left"),
  },
  {
    id: "like",
    title: "Lines like this one: the same shape, earlier or later",
    area: "Chart",
    keys: ["s"],
    when: () => chartOpen() && view.value.open.length === 1,
    run: () => openLike(view.value.open[0]!),
  },
  {
    id: "under-h",
    title: "Lay an hour ago under it",
    area: "Chart",
    keys: ["h"],
    when: chartOpen,
    run: toggleUnder("h"),
  },
  {
    id: "under-y",
    title: "Lay yesterday under it",
    area: "Chart",
    keys: ["y"],
    when: chartOpen,
    run: toggleUnder("y"),
  },
  {
    id: "under-w",
    title: "Lay last week under it",
    area: "Chart",
    keys: ["w"],
    when: chartOpen,
    run: toggleUnder("w"),
  },
  {
    id: "why",
    title: "Why is this number missing?",
    area: "Chart",
    keys: ["m"],
    when: chartOpen,
    run: () => go({ why: !view.value.why }),
  },
  {
    id: "copy",
    title: "Copy the PromQL of this chart",
    area: "Chart",
    keys: ["c"],
    when: chartOpen,
    run: () => void copyPromql(),
  },
];
