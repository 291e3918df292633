/** What can be completed: asked for once when the page is opened. Must never keep anybody from typing. */
import { signal } from "@preact/signals";
import { api, serverNow } from "../api/client";
import type { Saved } from "../api/types";
import type { Known } from "./complete";

const METRICS_MAX = 20_000;

export const known = signal<Known>({ tables: new Map(), metrics: [], labels: [] });
export const saved = signal<Saved["queries"]>([]);
/** Why saved queries cannot be shown or changed; null when all is well. */
export const savedError = signal<unknown>(null);

const COLUMNS =
  "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";

export async function learn(stop: AbortSignal): Promise<void> {
  const day = serverNow() / 1000 - 86_400;
  const [columns, metrics, labels] = await Promise.allSettled([
    api.sql(COLUMNS, 2_000, stop),
    api.metricNames(day, stop),
    api.labels(stop),
  ]);
  const tables = new Map<string, string[]>();
  if (columns.status === "fulfilled") {
    for (const [table, column] of columns.value.data.rows) {
      const name = String(table);
      tables.set(name, [...(tables.get(name) ?? []), String(column)]);
    }
  }
  known.value = {
    tables,
    metrics: metrics.status === "fulfilled" ? metrics.value.slice(0, METRICS_MAX) : [],
    labels: labels.status === "fulfilled" ? labels.value.filter((l) => l !== "__name__") : [],
  };
}

/** Does something with saved queries; what comes back is the list as it is now. */
export async function withSaved(ask: () => Promise<Saved>): Promise<boolean> {
  try {
    saved.value = (await ask()).queries;
    savedError.value = null;
    return true;
  } catch (error) {
    savedError.value = error;
    return false;
  }
}

export const loadSaved = (): Promise<boolean> => withSaved(() => api.savedQueries());
