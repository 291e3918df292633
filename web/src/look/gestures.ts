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

/** Pointer gestures: hover, click, and a sideways drag over a chart that zooms. */
export function gestures(w: Wall, box: HTMLElement): () => void {
  let down: { x: number; y: number; index: number; at: number } | null = null;
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
    if (target?.kind !== "tile") return;
    down = { x: e.clientX, y: e.clientY, index: target.index, at: acrossTile(w.layout, target.index, x) };
  };
  const onMove = (e: PointerEvent): void => {
    const { x, target } = under(e);
    if (down) {
      const moved = Math.abs(e.clientX - down.x);
      if (!w.drag && moved > 6 && moved > Math.abs(e.clientY - down.y)) {
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
    const { target } = under(e);
    if (target?.kind === "header") toggleGroup(target.group);
    else if (target && began?.index === target.index && Math.abs(e.clientY - began.y) < 8) {
      if (e.ctrlKey || e.metaKey || e.shiftKey) togglePick(w, target.index);
      else openTile(w, target.index);
    }
  };
  const onGone = (): void => {
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
  for (const [name, f] of pairs) box.addEventListener(name, f as EventListener);
  return () => {
    for (const [name, f] of pairs) box.removeEventListener(name, f as EventListener);
  };
}
