/**
 * The command palette: every action, page, range and theme by name, and every metric by its words. Must never do what
 * the list of actions does not hold, but for jumping to a metric.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ACTIONS } from "../actions/all";
import { shownKeys } from "../actions/registry";
import { api } from "../api/client";
import type { Suggestion } from "../api/types";
import { formatCount } from "../format/units";
import { openPage, overlay, view } from "../state/app";
import { rank } from "./rank";

interface Entry {
  id: string;
  title: string;
  note: string;
  keys: string;
  marks: number[];
  run: () => void;
}

const SHOWN_MAX = 40;

function actionEntries(text: string): { entry: Entry; strong: boolean }[] {
  const usable = ACTIONS.filter((a) => !a.keysOnly && a.id !== "palette" && (!a.when || a.when()));
  return rank(text, usable, (a) => a.title).map(({ item, marks, strong }) => ({
    strong,
    entry: {
      id: item.id,
      title: item.title,
      note: item.area === "Everywhere" ? "" : item.area,
      keys: item.keys[0] ?? "",
      marks,
      run: item.run,
    },
  }));
}

function metricEntries(found: Suggestion[]): Entry[] {
  return found.map((s) => ({
    id: `metric ${s.text}`,
    title: s.text,
    note: `${formatCount(s.series)} series`,
    keys: "",
    marks: [],
    run: () => openPage("look", { q: s.text }),
  }));
}

/** Metrics and labels that fit, from the server, while one types. */
function useSuggestions(text: string): Suggestion[] {
  const [found, setFound] = useState<Suggestion[]>([]);
  useEffect(() => {
    if (text.trim().length < 2) {
      setFound([]);
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.find({ q: text.trim(), match: "", group: "entity", limit: 1 }, stop.signal).then(
        (f) => setFound(f.suggestions.slice(0, 12)),
        () => undefined,
      );
    }, 60);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  return found;
}

function Marked({ text, marks }: { text: string; marks: number[] }) {
  const set = new Set(marks);
  const runs: { text: string; mark: boolean }[] = [];
  for (let i = 0; i < text.length; i++) {
    const mark = set.has(i);
    const last = runs.at(-1);
    if (last && last.mark === mark) last.text += text[i];
    else runs.push({ text: text[i]!, mark });
  }
  return <>{runs.map((r, i) => (r.mark ? <b key={i}>{r.text}</b> : r.text))}</>;
}

/** Keeps the keyboard inside while open, and gives the focus back after. */
export function useModal(box: { current: HTMLElement | null }): void {
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = box.current;
    const outside = (e: PointerEvent): void => {
      if (!dialog?.contains(e.target as Node)) overlay.value = "none";
    };
    const keep = (e: FocusEvent): void => {
      if (dialog && e.relatedTarget && !dialog.contains(e.relatedTarget as Node))
        dialog.querySelector<HTMLElement>("input,button")?.focus();
    };
    document.addEventListener("pointerdown", outside);
    dialog?.addEventListener("focusout", keep);
    return () => {
      document.removeEventListener("pointerdown", outside);
      dialog?.removeEventListener("focusout", keep);
      if (before?.isConnected) before.focus({ preventScroll: true });
    };
  }, [box]);
}

export function PaletteBox() {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useModal(box);
  const suggestions = useSuggestions(text);
  // Dependencies: what can be done depends on the page that is open.
  const entries = useMemo(() => {
    const find: Entry = {
      id: "find",
      title: `Find “${text.trim()}” in Look`,
      note: "",
      keys: "",
      marks: [],
      run: () => openPage("look", { q: text.trim() }),
    };
    const actions = actionEntries(text);
    if (text.trim() === "") return actions.map((a) => a.entry).slice(0, SHOWN_MAX);
    // Letters that are merely somewhere in a title are the last resort.
    const of = (strong: boolean): Entry[] => actions.filter((a) => a.strong === strong).map((a) => a.entry);
    return [...of(true), find, ...metricEntries(suggestions), ...of(false).slice(0, 6)];
  }, [text, suggestions, view.value.page]);
  const current = Math.min(chosen, entries.length - 1);
  useEffect(() => {
    box.current?.querySelector("input")?.focus();
  }, []);
  // Dependencies: runs whenever another entry is chosen.
  useEffect(() => {
    list.current?.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const take = (entry: Entry | undefined): void => {
    if (!entry) return;
    overlay.value = "none";
    entry.run();
  };
  return (
    <div class="veil">
      <div class="palette" ref={box} role="dialog" aria-modal="true" aria-label="Go to, do, or find anything">
        <input
          type="text"
          placeholder="Go to, do, or find anything"
          aria-label="Go to, do, or find anything"
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={entries[current] ? `palette-${current}` : undefined}
          spellcheck={false}
          autocomplete="off"
          value={text}
          onInput={(e) => {
            setText(e.currentTarget.value);
            setChosen(0);
          }}
          onKeyDown={(e) => {
            const n = entries.length;
            if (e.key === "ArrowDown") setChosen(n ? (current + 1) % n : 0);
            else if (e.key === "ArrowUp") setChosen(n ? (current + n - 1) % n : 0);
            else if (e.key === "Enter") take(entries[current]);
            else if (e.key === "Escape" || (e.key === "k" && (e.ctrlKey || e.metaKey)))
              overlay.value = "none";
            else return;
            e.preventDefault();
            e.stopPropagation();
          }}
        />
        <div class="palette-list" id="palette-list" role="listbox" ref={list} aria-label="Matches">
          {entries.map((entry, i) => (
            <div
              key={entry.id}
              id={`palette-${i}`}
              class={`palette-entry ${i === current ? "chosen" : ""}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === current}
              onClick={() => take(entry)}
              onKeyDown={() => undefined}
              onPointerMove={() => setChosen(i)}
            >
              <span class="palette-title">
                <Marked text={entry.title} marks={entry.marks} />
              </span>
              <span class="palette-note">{entry.note}</span>
              {entry.keys !== "" && shownKeys(entry.keys).map((k) => <kbd key={k}>{k}</kbd>)}
            </div>
          ))}
          {entries.length === 0 && <p class="muted palette-none">Nothing has these letters.</p>}
        </div>
      </div>
    </div>
  );
}
