/**
 * Asks for something again and again while its page is shown and the tab is seen, keeping the last answer when one
 * fails. Must never have two questions under way.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort, serverNow } from "../api/client";

export interface Polled<T> {
  data: T | null;
  error: unknown;
  /** When `data` came, by the server's clock. */
  at: number;
  again: () => void;
}

export function usePoll<T>(question: (signal: AbortSignal) => Promise<T>, everyMs: number): Polled<T> {
  const [state, setState] = useState<{ data: T | null; error: unknown; at: number }>({
    data: null,
    error: null,
    at: 0,
  });
  const [round, setRound] = useState(0);
  const last = useRef(state);
  last.current = state;
  // Dependencies: `question` is made anew at each render, and always asks the same.
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const cycle = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const data = await question(stop.signal);
          setState({ data, error: null, at: serverNow() });
        } catch (error) {
          if (isAbort(error)) return;
          setState({ ...last.current, error });
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(cycle, everyMs);
    };
    void cycle();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [round, everyMs]);
  return { ...state, again: () => setRound((r) => r + 1) };
}
