/**
 * Asks what may take long and answers in lines while it works: how far it is, what was found so far, and at the end the answer. Must
 * never wait in silence: an answer of which nothing comes for a while is given up.
 */
import { ApiError, isAbort, learnClock, unreachable, unwrap } from "./client";

/** Nothing for so long means that nobody answers. */
const SILENCE_MS = 15_000;

export interface Progress {
  doing: string;
  done: number;
  of: number;
  elapsed_ms: number;
}

export interface Watching<T> {
  progress?: (progress: Progress) => void;
  /** The answer as far as it is known. */
  partial?: (data: T) => void;
}

/** One question; an abort by the caller comes out as the `AbortError` of the browser, and ends the work. */
export async function askInLines<T>(
  path: string,
  body: object,
  signal: AbortSignal,
  watching: Watching<T> = {},
): Promise<T> {
  const control = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(), SILENCE_MS);
  };
  const stop = (): void => control.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  wait();
  try {
    const response = await fetch(path, {
      method: "POST",
      signal: control.signal,
      cache: "no-store",
      credentials: "same-origin",
      body: JSON.stringify({ ...body, stream: true }),
      headers: { "content-type": "application/json" },
    });
    learnClock(response);
    let last = "";
    for await (const line of linesOf(response)) {
      wait();
      last = line;
      const part = response.ok ? partOf<T>(line) : null;
      if (part?.progress) watching.progress?.(part.progress);
      if (part?.data !== undefined) watching.partial?.(part.data);
    }
    return unwrap<T>(response.status, last);
  } catch (e) {
    if (e instanceof ApiError) throw e;
    if (signal.aborted || isAbort(e)) {
      if (signal.aborted) throw new DOMException("no longer wanted", "AbortError");
      throw unreachable(SILENCE_MS);
    }
    throw unreachable(null);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    // Whoever leaves early does not keep the server at work.
    control.abort();
  }
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
    if (done) break;
  }
  if (rest !== "") yield rest;
}

/** A line before the last one; null for any other. */
function partOf<T>(line: string): { progress?: Progress; data?: T } | null {
  if (!line.startsWith('{"')) return null;
  try {
    const part = JSON.parse(line) as { status?: string; progress?: Progress; data?: T };
    return part.status === "partial" ? part : null;
  } catch {
    return null;
  }
}
