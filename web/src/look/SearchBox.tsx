/**
 * The search box: finds as one types, and offers metrics and labels to complete with. Must never send a search itself:
 * it writes the words into the view, and the page searches.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatCount } from "../format/units";
import { go, view } from "../state/app";
import { complete, tokenAt } from "./query";
import { found, searchBox, wall } from "./state";

const OFFERED_MAX = 8;

export function SearchBox() {
  const input = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const { q } = view.value;
  const offered = open && q.trim() !== "" ? (found.value?.suggestions ?? []).slice(0, OFFERED_MAX) : [];

  useEffect(() => {
    searchBox.value = input.current;
    return () => {
      searchBox.value = null;
    };
  }, []);

  const write = (text: string): void => {
    setChosen(-1);
    setOpen(true);
    go({ q: text }, "replace");
  };
  const take = (text: string): void => {
    const box = input.current!;
    const next = complete(q, box.selectionStart ?? q.length, text);
    write(next.q);
    setOpen(false);
    // The caret can only go there once the new text is in the box.
    requestAnimationFrame(() => box.setSelectionRange(next.caret, next.caret));
  };
  const toWall = (): void => {
    setOpen(false);
    const w = wall.peek();
    document.getElementById("wall")?.focus();
    if (w && w.cursor < 0) w.setCursor(w.inSight()[0] ?? 0);
  };
  const onKey = (e: KeyboardEvent): void => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (offered.length === 0) {
        if (e.key === "ArrowDown") toWall();
        return;
      }
      const step = e.key === "ArrowDown" ? 1 : -1;
      setChosen((chosen + step + offered.length + 1) % (offered.length + 1) || (step > 0 ? 0 : -1));
    } else if (e.key === "Enter") {
      e.preventDefault();
      const s = offered[chosen];
      if (s) take(s.text);
      else toWall();
    } else if (
      e.key === "Tab" &&
      !e.shiftKey &&
      offered[Math.max(chosen, 0)] &&
      tokenAt(q, input.current!.selectionStart ?? 0)
    ) {
      if (chosen < 0) return;
      e.preventDefault();
      take(offered[chosen]!.text);
    } else if (e.key === "Escape") {
      e.preventDefault();
      // The words stay: to lose a search by one key too many would be cruel.
      if (offered.length > 0) setOpen(false);
      else toWall();
    }
    e.stopPropagation();
  };
  return (
    <div class="search">
      <svg class="icon search-icon" viewBox="0 0 16 16" aria-hidden="true">
        <path d="M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5 14 14" />
      </svg>
      <input
        ref={input}
        id="search"
        type="text"
        value={q}
        placeholder="Find series: words, parts of words, label=value"
        aria-label="Find series"
        role="combobox"
        aria-expanded={offered.length > 0}
        aria-controls="offered"
        aria-autocomplete="list"
        aria-activedescendant={chosen >= 0 && offered[chosen] ? `offered-${chosen}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={1000}
        onInput={(e) => write(e.currentTarget.value)}
        onKeyDown={onKey}
        onFocus={() => setChosen(-1)}
        onBlur={() => setOpen(false)}
      />
      {q !== "" && (
        <button type="button" class="search-clear" aria-label="Clear the search" onClick={() => write("")}>
          ✕
        </button>
      )}
      {!q && <kbd class="search-key">/</kbd>}
      {offered.length > 0 && (
        <div class="offered" id="offered" role="listbox" aria-label="Suggestions">
          {offered.map((s, i) => (
            <div
              key={s.text}
              id={`offered-${i}`}
              class={`offer ${i === chosen ? "chosen" : ""}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === chosen}
              onPointerDown={(e) => {
                e.preventDefault();
                take(s.text);
              }}
            >
              <span class="offer-text">{s.text}</span>
              <span class="offer-kind">{s.kind}</span>
              <span class="offer-count">{formatCount(s.series)}</span>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}
