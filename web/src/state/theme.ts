/**
 * Light, dark, or as the system says; and the colours that canvases need, read from the style sheet. Must never be
 * part of a link: a colleague keeps their own.
 */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "midwatch-theme";

function stored(): Theme {
  try {
    const t = localStorage.getItem(KEY);
    return t === "light" || t === "dark" ? t : "system";
  } catch {
    return "system";
  }
}

export const theme = signal<Theme>(stored());

/** Grows whenever colours may have changed, so that canvases paint again. */
export const colourEpoch = signal(0);

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    if (next === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // A browser without storage forgets the theme; nothing else is lost.
  }
  apply();
}

/** Whether dark is shown now, by choice or by the system. */
export function isDark(): boolean {
  return (
    theme.value === "dark" || (theme.value === "system" && matchMedia("(prefers-color-scheme: dark)").matches)
  );
}

/** Puts the theme on the document; call before the first paint. */
export function apply(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  colourEpoch.value++;
}

export function watchSystem(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}

/** A colour of the style sheet by the name of its property. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Colours of lines, apart for the colour-blind (after Okabe and Ito), in the order they are given out. */
export function lineColours(): string[] {
  return Array.from({ length: 8 }, (_, i) => colour(`--line-${i + 1}`));
}
