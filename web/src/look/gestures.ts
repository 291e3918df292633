/**
 * What a pointer does on the wall: hover, click, and a sideways drag over a chart that zooms; and what those and keys
 * lead to. Must never paint.
 */
import { go, span, view } from "../state/app";
import { between } from "../state/range";
import { hit } from "./layout";
import { acrossTile } from "./paint";
import { found } from "./state";
import { groupKey, type Wall } from "./wall";

/** Opens or shuts a group; the address holds which are shut. */
export function toggleGroup(index: number): void {
  const group = found.value?.groups[index];
  if (!group) return;
  const key = groupKey(group);
  const { shut } = view.value;
  go({ shut: shut.includes(key) ? shut.filter((k) => k !== key) : [...shut, key] });
}

/** Opens the chart of a tile. */
export function openTile(w: Wall, index: number): void {
  const face = w.faceAt(index);
  if (!face) return;
  w.setCursor(index);
  go({ open: [face.selector] });
}

export function togglePick(w: Wall, index: number): void {
  const face = w.faceAt(index);
  if (!face) return;
  const { pick } = view.value;
  go({
    pick: pick.includes(face.selector) ? pick.filter((p) => p !== face.selector) : [...pick, face.selector],
  });
}

/** A finger that rests this long picks: it has no Ctrl key. */
const HOLD_MS = 450;

/** Pointer gestures: hover, click, long press, and a sideways drag over a chart that zooms. */
export function gestures(w: Wall, box: HTMLElement): () => void {
  let holding: ReturnType<typeof setTimeout> | undefined;
  let down: { x: number; y: number; index: number; group: number; at: number } | null = null;
  const place = (e: PointerEvent): { x: number; y: number } => {
    const r = box.getBoundingClientRect();
    return { x: e.clientX - r.left, y: e.clientY - r.top + box.scrollTop };
  };
  const under = (e: PointerEvent) => {
    const { x, y } = place(e);
    return { x, target: hit(w.layout, x, y) };
  };
  const onDown = (e: PointerEvent): void => {
    if (e.button !== 0) return;
    const { x, target } = under(e);
    if (!target) return;
    const index = target.kind === "tile" ? target.index : -1;
    const at = index < 0 ? 0 : acrossTile(w.layout, index, x);
    down = { x: e.clientX, y: e.clientY, index, group: target.group, at };
    clearTimeout(holding);
    if (e.pointerType === "mouse" || index < 0) return;
    holding = setTimeout(() => {
      if (w.drag) return;
      down = null;
      togglePick(w, index);
    }, HOLD_MS);
  };
  const onMove = (e: PointerEvent): void => {
    const { x, target } = under(e);
    if (down) {
      const moved = Math.abs(e.clientX - down.x);
      if (Math.hypot(moved, e.clientY - down.y) > 6) clearTimeout(holding);
      if (!w.drag && down.index >= 0 && moved > 6 && moved > Math.abs(e.clientY - down.y)) {
        w.drag = { index: down.index, from: down.at, to: down.at };
        box.setPointerCapture(e.pointerId);
      }
      if (w.drag) {
        w.drag.to = acrossTile(w.layout, down.index, x);
        w.repaint();
        return;
      }
    }
    if (e.pointerType === "mouse") {
      w.point(target?.kind === "tile" ? target.index : -1, x);
      box.style.cursor = target ? "pointer" : "";
    }
  };
  const onUp = (e: PointerEvent): void => {
    const { drag } = w;
    clearTimeout(holding);
    w.drag = null;
    const began = down;
    down = null;
    if (drag) {
      const { from, to } = w.frameShown ?? span.value;
      const moment = (part: number): number => from + part * (to - from);
      if (Math.abs(drag.to - drag.from) > 0.015) go({ range: between(moment(drag.from), moment(drag.to)) });
      w.repaint();
      return;
    }
    // A click goes up where it went down; all else is a drag that found nothing.
    const { target } = under(e);
    if (!began || !target || Math.hypot(e.clientX - began.x, e.clientY - began.y) > 8) return;
    if (target.kind === "header") {
      if (began.index < 0 && began.group === target.group) toggleGroup(target.group);
    } else if (began.index === target.index) {
      if (e.ctrlKey || e.metaKey || e.shiftKey) togglePick(w, target.index);
      else openTile(w, target.index);
    }
  };
  const onGone = (): void => {
    clearTimeout(holding);
    down = null;
    w.drag = null;
    w.point(-1, 0);
  };
  const pairs: [string, (e: PointerEvent) => void][] = [
    ["pointerdown", onDown],
    ["pointermove", onMove],
    ["pointerup", onUp],
    ["pointercancel", onGone],
    ["pointerleave", () => !w.drag && onGone()],
  ];
  // A long press would open the browser's own menu over what it picks.
  const onMenu = (e: Event): void => {
    if ((e as PointerEvent).pointerType === "touch") e.preventDefault();
  };
  box.addEventListener("contextmenu", onMenu);
  for (const [name, f] of pairs) box.addEventListener(name, f as EventListener);
  return () => {
    clearTimeout(holding);
    box.removeEventListener("contextmenu", onMenu);
    for (const [name, f] of pairs) box.removeEventListener(name, f as EventListener);
  };
}
