/**
 * PromQL selectors as texts: written from labels, and widened by a matcher. Must never pass a label's value on
 * unescaped: values come from anywhere.
 */

export type Labels = Record<string, string>;

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** A string literal of PromQL. */
export function quote(value: string): string {
  const escaped = value
    .replace(/\\/g, "\\\\")
    .replace(/"/g, '\\"')
    .replace(/\n/g, "\\n")
    .replace(/\r/g, "\\r")
    .replace(/\t/g, "\\t");
  return `"${escaped}"`;
}

function matcher(name: string, value: string): string {
  return `${LABEL_NAME.test(name) ? name : quote(name)}=${quote(value)}`;
}

/** The selector that names one series. */
export function selectorOf(metric: string, labels: Labels): string {
  const matchers = Object.keys(labels)
    .filter((name) => name !== "__name__")
    .sort()
    .map((name) => matcher(name, labels[name]!));
  if (!METRIC_NAME.test(metric)) return `{${[`__name__=${quote(metric)}`, ...matchers].join(",")}}`;
  return matchers.length === 0 ? metric : `${metric}{${matchers.join(",")}}`;
}

/** The selector with one more matcher; an empty selector becomes one. */
export function withMatcher(selector: string, name: string, value: string): string {
  const one = matcher(name, value);
  const s = selector.trim();
  if (s === "") return `{${one}}`;
  if (!s.endsWith("}")) return `${s}{${one}}`;
  if (s.includes(one)) return s;
  const inside = s.slice(0, -1).trimEnd();
  return inside.endsWith("{") || inside.endsWith(",") ? `${inside}${one}}` : `${inside},${one}}`;
}

/** What a person copies: the query that gives what the chart shows. */
export function promqlOf(selector: string, mode: string, windowS: number): string {
  return mode === "rate" ? `rate(${selector}[${Math.max(1, Math.round(windowS))}s])` : selector;
}

/** The metric that a selector names, "" when it names none. */
export function metricOf(selector: string): string {
  const plain = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{|$)/.exec(selector);
  if (plain) return plain[1]!;
  const inside = /__name__\s*=\s*"((?:[^"\\]|\\.)*)"/.exec(selector);
  return inside ? inside[1]!.replace(/\\(.)/g, "$1") : "";
}

/** Whether two label sets are the same, leaving the name aside. */
export function sameLabels(a: Labels, b: Labels): boolean {
  const names = (l: Labels): string[] => Object.keys(l).filter((n) => n !== "__name__");
  const an = names(a);
  return an.length === names(b).length && an.every((n) => a[n] === b[n]);
}
