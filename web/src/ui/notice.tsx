/**
 * What is shown where there is nothing to show: why, and what to do next. Must never leave a person before an empty page,
 * and never blame them.
 */
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";

/** A text of ours or of the server, with `code` set apart. */
export function Words({ text }: { text: string }) {
  return <>{text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>;
}

export function Notice(props: { title: string; children?: ComponentChildren; tone?: "plain" | "bad" }) {
  const bad = props.tone === "bad";
  return (
    <div class={`notice ${bad ? "notice-bad" : ""}`} role={bad ? "alert" : "status"}>
      <p class="notice-title">{props.title}</p>
      {props.children}
    </div>
  );
}

/**
 * A failure, with what the error knows of the way out; `children` are ways out that the page knows. `once`: the page does not ask again
 * by itself.
 */
export function Failure(props: {
  error: unknown;
  again?: () => void;
  once?: boolean;
  children?: ComponentChildren;
}) {
  const { error, again } = props;
  const e = error instanceof ApiError ? error : null;
  return (
    <Notice title={e?.message ?? "Something in this page went wrong."} tone="bad">
      <p>
        {e ? (
          <Words text={e.hint} />
        ) : (
          `${error instanceof Error ? error.message : String(error)} Reload the page to begin anew.`
        )}
        {again && !props.once && e?.kind === "unreachable" && " This page asks again by itself."}
      </p>
      {(again || props.children) && (
        <p class="row">
          {props.children}
          {again && (
            <button type="button" class="button" onClick={again}>
              Try again
            </button>
          )}
        </p>
      )}
    </Notice>
  );
}

/** One line above a page that shows what was known before. */
export function StaleLine({ error, since }: { error: unknown; since: string }) {
  const e = error instanceof ApiError ? error : null;
  return (
    <p class="stale" role="alert">
      {e?.message ?? "Midwatch does not answer."} <Words text={e?.hint ?? ""} /> Shown is what was known at{" "}
      {since}; asking again by itself.
    </p>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      Loading {what} …
    </p>
  );
}
