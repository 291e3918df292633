/**
 * Hands key presses to the list of actions. Must never act while someone types, nor on keys that the browser or a
 * focused control needs.
 */
import { overlay } from "../state/app";
import { ACTIONS } from "./all";
import { keyName, matchKey } from "./registry";

const PREFIX_MS = 1200;

/** Whether a press belongs to what has the focus. */
function isTaken(e: KeyboardEvent, name: string): boolean {
  if (e.defaultPrevented || e.isComposing) return true;
  const target = e.target as HTMLElement | null;
  if (!target) return false;
  if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) {
    // A box may name keys that it leaves to the list.
    const left = (target.dataset.keys ?? "").split(" ");
    return name !== "Ctrl+k" && !left.includes(name);
  }
  // Enter and Space press a focused button or link.
  return (name === "Enter" || name === "Space") && /^(BUTTON|A|SUMMARY)$/.test(target.tagName);
}

export function listen(): void {
  let prefix = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  addEventListener("keydown", (e) => {
    const name = keyName(e);
    if (name === "" || isTaken(e, name)) return;
    if (overlay.value !== "none") {
      if (name === "Escape" || (name === "?" && overlay.value === "help")) {
        e.preventDefault();
        overlay.value = "none";
        return;
      }
      if (name !== "Ctrl+k") return;
    }
    const match = matchKey(ACTIONS, prefix, name);
    clearTimeout(timer);
    prefix = match.kind === "wait" ? match.prefix : "";
    if (match.kind === "wait") timer = setTimeout(() => (prefix = ""), PREFIX_MS);
    if (match.kind === "none") return;
    e.preventDefault();
    if (match.kind === "run") match.action.run();
  });
}
