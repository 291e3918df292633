/**
 * A question that may take long: asked once for what is shown, with how far it is and what is known so far, stopped by a button, by
 * Esc, or by leaving. Must never ask again by itself: an answer that changes while it is read cannot be thought about.
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../api/client";
import type { Progress, Watching } from "../api/lines";
import { formatCount, formatValue } from "../format/units";
import { Failure, Loading, Notice } from "../ui/notice";

/** Ends what is being asked; null while nothing is. */
export const running = signal<(() => void) | null>(null);

export interface Asked<T> {
  /** The answer, or as much of it as is known. */
  data: T | null;
  isWhole: boolean;
  error: unknown;
  stopped: boolean;
  progress: Progress | null;
  /** What it is the answer to. */
  key: string;
  again: () => void;
}

const NOTHING = { data: null, isWhole: false, error: null, stopped: false, progress: null };

/** Asks anew when `key` changes. */
export function useAsking<T>(
  key: string,
  ask: (signal: AbortSignal, watching: Watching<T>) => Promise<T>,
): Asked<T> {
  const [round, setRound] = useState(0);
  const asked = `${round} ${key}`;
  const [state, setState] = useState<Omit<Asked<T>, "again">>({ ...NOTHING, key: "" });
  useEffect(() => {
    const control = new AbortController();
    setState({ ...NOTHING, key: asked });
    const stop = (): void => {
      control.abort();
      setState((old) => ({ ...old, stopped: true }));
    };
    running.value = stop;
    const ended = (): void => {
      if (running.value === stop) running.value = null;
    };
    ask(control.signal, {
      progress: (progress) => setState((old) => ({ ...old, progress })),
      partial: (data) => setState((old) => ({ ...old, data })),
    })
      .then((data) => setState({ ...NOTHING, data, isWhole: true, key: asked }))
      .catch((error: unknown) => {
        if (!isAbort(error)) setState({ ...NOTHING, error, key: asked });
      })
      .finally(ended);
    return () => {
      control.abort();
      ended();
    };
  }, [asked]);
  // What is known of another question is nothing to be shown.
  const own = state.key === asked ? state : { ...NOTHING, key: asked };
  return { ...own, again: () => setRound(round + 1) };
}

/** What stands before the answer: that it failed, was stopped, or how far it is. */
export function Asking<T>({ asked, what }: { asked: Asked<T>; what: string }) {
  if (asked.error !== null) return <Failure error={asked.error} again={asked.again} once />;
  if (asked.isWhole) return null;
  if (asked.stopped)
    return (
      <Notice title={asked.data === null ? "Stopped." : "Stopped: what is below is not all."}>
        <p>
          <button type="button" class="button" onClick={asked.again}>
            Ask again
          </button>
        </p>
      </Notice>
    );
  const p = asked.progress;
  return (
    <div class="row asking">
      {p && p.of > 0 ? (
        <p class="loading" role="status">
          <progress value={p.done} max={p.of} aria-label="How far it is" /> {formatCount(p.done)} of{" "}
          {formatCount(p.of)} after {formatValue(p.elapsed_ms / 1000, "s")}
          {asked.data !== null && "; so far:"}
        </p>
      ) : p && asked.data !== null ? (
        <p class="loading" role="status">
          {p.doing} after {formatValue(p.elapsed_ms / 1000, "s")}; so far:
        </p>
      ) : (
        <Loading what={what} />
      )}
      <button type="button" class="button" title="Esc" onClick={() => running.value?.()}>
        Stop
      </button>
    </div>
  );
}
