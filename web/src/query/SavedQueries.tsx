/** Queries with names, kept by the server for everybody who uses it. Must never run one unasked. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api/client";
import { say } from "../state/app";
import { loadSaved, saved, savedError, withSaved } from "./known";
import { run } from "./run";
import { asked, type Lang, naming, set } from "./state";

function NameLine() {
  const box = useRef<HTMLInputElement>(null);
  const [name, setName] = useState("");
  useEffect(() => box.current?.focus(), []);
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    const { lang, text } = asked.value;
    if (name.trim() === "") return;
    const replaces = saved.value.some((q) => q.name === name.trim());
    if (await withSaved(() => api.saveQuery({ name: name.trim(), language: lang, query: text }))) {
      naming.value = false;
      say(replaces ? `“${name.trim()}” now has this query.` : `Saved as “${name.trim()}”.`);
    }
  };
  return (
    <form class="row" onSubmit={(e) => void save(e)}>
      <input
        ref={box}
        class="input"
        aria-label="Name of this query"
        placeholder="A name for it"
        maxLength={100}
        list="saved-names"
        value={name}
        onInput={(e) => setName(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key !== "Escape") return;
          e.preventDefault();
          naming.value = false;
        }}
      />
      <datalist id="saved-names">
        {saved.value.map((q) => (
          <option key={q.name} value={q.name} />
        ))}
      </datalist>
      <button type="submit" class="button" disabled={name.trim() === ""}>
        Save
      </button>
    </form>
  );
}

export function SavedQueries() {
  useEffect(() => void loadSaved(), []);
  const error = savedError.value;
  const forget = async (name: string): Promise<void> => {
    if (await withSaved(() => api.deleteQuery(name))) say(`“${name}” is deleted.`);
  };
  return (
    <section class="saved" aria-label="Saved queries">
      <h2>Saved</h2>
      {naming.value && <NameLine />}
      {error !== null && (
        <p class="reason" role="alert">
          {error instanceof ApiError ? `${error.message} ${error.hint}` : "They cannot be reached now."}
        </p>
      )}
      {saved.value.length === 0 && error === null && (
        <p class="muted">None yet. What is saved here, everybody who uses this Midwatch finds.</p>
      )}
      <ul>
        {saved.value.map((q) => (
          <li key={q.name}>
            <button
              type="button"
              class="saved-open"
              title={q.query}
              onClick={() => {
                set({ lang: q.language as Lang, text: q.query }, "push");
                void run();
              }}
            >
              {q.name} <span class="muted">{q.language === "sql" ? "SQL" : "PromQL"}</span>
            </button>
            <button
              type="button"
              class="saved-delete"
              aria-label={`Delete ${q.name}`}
              onClick={() => void forget(q.name)}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
