/**
 * The one list of everything that can be done: it feeds the keyboard, the palette and the help. Knows how keys are
 * written and matched. Must never do anything itself, and never take a key while someone types.
 */

export type Area =
  | "Everywhere"
  | "Time"
  | "Look"
  | "Chart"
  | "What moved"
  | "Advise"
  | "Cardinality"
  | "Logs"
  | "Query";

export interface Action {
  id: string;
  title: string;
  area: Area;
  /** As pressed: "?", "Ctrl+k", "g h" (one after the other), "ArrowLeft". The first is shown. */
  keys: readonly string[];
  /** Whether it can be done now. */
  when?: () => boolean;
  run: () => void;
  /** Not in the palette: pointless from there (moving a cursor). */
  keysOnly?: boolean;
}

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** A key press as the registry writes it; "" for one that names nothing (a lone Shift). */
export function keyName(e: KeyPress): string {
  if (["Shift", "Control", "Alt", "Meta", "Dead", "Unidentified", "Process"].includes(e.key)) return "";
  const key = e.key === " " ? "Space" : e.key;
  const ctrl = e.ctrlKey || e.metaKey ? "Ctrl+" : "";
  const alt = e.altKey ? "Alt+" : "";
  // Shift is in the letter already ("?" or "X"); it is named only for keys that it does not change.
  const shift = e.shiftKey && key.length > 1 ? "Shift+" : "";
  return `${ctrl}${alt}${shift}${ctrl ? key.toLowerCase() : key}`;
}

export type Match = { kind: "run"; action: Action } | { kind: "wait"; prefix: string } | { kind: "none" };

/** What a key means after an earlier one; later actions in the list win over earlier ones. */
export function matchKey(actions: readonly Action[], prefix: string, name: string): Match {
  if (name === "") return { kind: "none" };
  const pressed = prefix === "" ? name : `${prefix} ${name}`;
  let wait = false;
  for (let i = actions.length - 1; i >= 0; i--) {
    const a = actions[i]!;
    if (a.when && !a.when()) continue;
    if (a.keys.includes(pressed)) return { kind: "run", action: a };
    if (a.keys.some((k) => k.startsWith(`${pressed} `))) wait = true;
  }
  if (wait) return { kind: "wait", prefix: pressed };
  return prefix === "" ? { kind: "none" } : matchKey(actions, "", name);
}

const SHOWN: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  PageDown: "Page ↓",
  PageUp: "Page ↑",
};

/** A key for people's eyes, as parts: "Ctrl+k" -> ["Ctrl", "K"], "g h" -> ["g", "h"]. */
export function shownKeys(keys: string): string[] {
  return keys
    .split(" ")
    .flatMap((k) => (k.length > 1 ? k.split("+") : [k]))
    .map((k) => SHOWN[k] ?? (keys.startsWith("Ctrl") && k.length === 1 ? k.toUpperCase() : k));
}

/** Keys that two actions of the same reach share: a mistake in the list. */
export function clashes(actions: readonly Action[]): string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const a of actions) {
    for (const k of a.keys) {
      const place = `${a.area} ${k}`;
      const other = seen.get(place);
      if (other) found.push(`${k}: ${other} and ${a.id}`);
      seen.set(place, a.id);
    }
  }
  return found;
}
