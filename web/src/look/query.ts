/**
 * What is typed in the search box, as tokens: words, and `label=value` or `label:value`. Completes the token at the
 * caret and adds filters. Must never send anything: it only edits texts.
 */

export interface Token {
  text: string;
  /** Where it is in the query. */
  start: number;
  end: number;
}

/** The tokens of a query, apart by white space outside double quotes. */
export function tokens(q: string): Token[] {
  return [...q.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map((m) => ({
    text: m[0],
    start: m.index,
    end: m.index + m[0].length,
  }));
}

/** What is sent: white space put in order, so that equal searches are equal texts. */
export function normalised(q: string): string {
  return tokens(q)
    .map((t) => t.text)
    .join(" ");
}

/** Whether a value can stand in the search box as one token. */
export function fitsToken(name: string, value: string): boolean {
  return value !== "" && !/[\s"'\\]/.test(value) && /^[\w.:/-]+$/.test(name);
}

/** The query with `name=value`, in place of another filter on the same label. */
export function withFilter(q: string, name: string, value: string): string {
  const kept = tokens(q)
    .map((t) => t.text)
    .filter((t) => !t.startsWith(`${name}=`) && !t.startsWith(`${name}:`));
  return [...kept, `${name}=${value}`].join(" ");
}

/** The token that the caret is in or just behind. */
export function tokenAt(q: string, caret: number): Token | null {
  return tokens(q).find((t) => t.start <= caret && caret <= t.end) ?? null;
}

/** The query with the token at the caret replaced by a suggestion, and where the caret goes. */
export function complete(q: string, caret: number, suggestion: string): { q: string; caret: number } {
  const t = tokenAt(q, caret);
  const before = q.slice(0, t ? t.start : caret);
  const after = q.slice(t ? t.end : caret).replace(/^\s+/, "");
  const head = `${before === "" || before.endsWith(" ") ? before : `${before} `}${suggestion} `;
  return { q: head + after, caret: head.length };
}

/** The words that matched text can be marked with: no filters, lower case. */
export function words(q: string): string[] {
  return tokens(q)
    .map((t) => t.text.toLowerCase().replaceAll('"', ""))
    .filter((t) => !/[=:]/.test(t));
}
