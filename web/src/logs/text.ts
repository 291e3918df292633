/**
 * Text of logs for people's eyes, and conditions as they are typed. Pure. Must never let a control character or a
 * terminal's escape through: each becomes a picture of itself.
 */

const PICTURES = 0x2400;

/** Marks that turn the direction of text: they make a line look like another. */
const TURNS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** What is shown for a character; line breaks and tabs stay. */
function picture(c: string): string {
  const code = c.charCodeAt(0);
  if (code < 0x20) return c === "\n" || c === "\t" ? c : String.fromCharCode(PICTURES + code);
  if (code === 0x7f) return "\u2421";
  return (code > 0x7f && code < 0xa0) || TURNS.test(c) ? "\ufffd" : c;
}

/** Control characters as their pictures (ESC is ␛). */
export function harmless(text: string): string {
  return Array.from(text, picture).join("");
}

/** A text that can stand behind a colon: in quotes where it must. */
export function quoted(value: string): string {
  return value !== "" && /^[^\s",\\]+$/.test(value)
    ? value
    : `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;
}

/** A condition as it is typed. */
export function condition(name: string, value: string, not = false): string {
  return `${not ? "-" : ""}${name}:${quoted(value)}`;
}

/** The query with the condition, or without it if it was there; its opposite goes. */
export function toggled(query: string, name: string, value: string, not = false): string {
  const wanted = condition(name, value, not);
  const opposite = condition(name, value, !not);
  const parts = split(query);
  const rest = parts.filter((part) => part !== wanted && part !== opposite);
  return (parts.includes(wanted) ? rest : [...rest, wanted]).join(" ");
}

/** The conditions of a query, one by one. */
export function split(query: string): string[] {
  return query.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? [];
}

/** Whether a query holds a condition. */
export function holds(query: string, name: string, value: string): boolean {
  return split(query).includes(condition(name, value));
}

/** Severities from grave to harmless, each with a sign, so that nobody needs the colour. */
export const LEVELS = [
  { name: "fatal", sign: "✖" },
  { name: "error", sign: "■" },
  { name: "warn", sign: "▲" },
  { name: "info", sign: "●" },
  { name: "debug", sign: "○" },
  { name: "trace", sign: "·" },
  { name: "unknown", sign: "–" },
] as const;

export function levelSign(level: string): string {
  return LEVELS.find((l) => l.name === level)?.sign ?? "–";
}

/** The first line, as short as a row is. */
export function firstLine(body: string): string {
  const end = body.indexOf("\n");
  const line = end < 0 ? body : body.slice(0, end);
  return line.length > 400 ? `${line.slice(0, 400)}…` : line;
}
