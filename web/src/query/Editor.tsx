/**
 * The box for a query, with what may be meant next. Ctrl+Enter and Esc are actions of the list; keys that choose a suggestion belong
 * to the box. Must never change the text but by what a person chose.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Completion, complete, type Suggestion } from "./complete";
import { known } from "./known";
import { failure, place } from "./run";
import { asked, editor, set } from "./state";

const NONE: Completion = { from: 0, to: 0, list: [] };

export function Editor() {
  const { lang, text } = asked.value;
  const box = useRef<HTMLTextAreaElement>(null);
  const [offer, setOffer] = useState<Completion>(NONE);
  const [at, setAt] = useState(0);
  useEffect(() => {
    editor.value = box.current;
    return () => {
      editor.value = null;
    };
  }, []);
  // A mistake is selected where it is.
  const failed = failure.value;
  useEffect(() => {
    const where = failed && failed.text === box.current?.value ? place(failed.error, failed.text) : null;
    if (where && document.activeElement === box.current)
      box.current?.setSelectionRange(where.start, where.end);
  }, [failed]);
  const suggest = (unasked: boolean): void => {
    const el = box.current!;
    setAt(0);
    setOffer(
      el.selectionStart === el.selectionEnd
        ? complete(asked.value.lang, el.value, el.selectionStart, known.value, !unasked)
        : NONE,
    );
  };
  const take = (s: Suggestion): void => {
    const el = box.current!;
    const next = el.value.slice(0, offer.from) + s.text + el.value.slice(offer.to);
    el.value = next;
    const cursor = offer.from + s.text.length;
    el.setSelectionRange(cursor, cursor);
    set({ text: next });
    setOffer(NONE);
    el.focus();
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    if (e.ctrlKey && e.key === " ") {
      e.preventDefault();
      suggest(false);
      return;
    }
    if (offer.list.length === 0 || e.ctrlKey || e.metaKey) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (move !== undefined) {
      e.preventDefault();
      setAt((at + move + offer.list.length) % offer.list.length);
    } else if (e.key === "Tab" || e.key === "Enter") {
      e.preventDefault();
      take(offer.list[at]!);
    } else if (e.key === "Escape") {
      e.preventDefault();
      setOffer(NONE);
    }
  };
  const lines = Math.min(18, Math.max(4, text.split("\n").length + 1));
  return (
    <div class="editor">
      <textarea
        ref={box}
        class="editor-box"
        rows={lines}
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        data-keys="Ctrl+enter Escape"
        aria-label={lang === "sql" ? "Query in SQL" : "Query in PromQL"}
        aria-controls="suggestions"
        aria-autocomplete="list"
        aria-activedescendant={offer.list.length > 0 ? `suggestion-${at}` : undefined}
        aria-invalid={failed !== null && failed.text === text}
        placeholder={
          lang === "sql"
            ? "SELECT name, count(*) FROM series GROUP BY name"
            : "rate(node_cpu_seconds_total[5m])"
        }
        value={text}
        onInput={(e) => {
          set({ text: e.currentTarget.value });
          suggest(true);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setOffer(NONE)}
      />
      {offer.list.length > 0 && (
        <div class="suggestions" id="suggestions" role="listbox" aria-label="Suggestions">
          {offer.list.map((s, i) => (
            <div
              key={s.text}
              id={`suggestion-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === at}
              // Before the box loses the focus.
              onMouseDown={(e) => {
                e.preventDefault();
                take(s);
              }}
            >
              <span>{s.text}</span>
              <span class="muted">{s.kind}</span>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}
