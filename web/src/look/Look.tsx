/**
 * The page for looking around: search, the wall, and the large chart above it. Must never hold state that a link
 * would lose.
 */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { ChartPanel } from "../chart/ChartPanel";
import { formatCount } from "../format/units";
import { go, view } from "../state/app";
import { Failure, Loading, Notice, Words } from "../ui/notice";
import { SearchBox } from "./SearchBox";
import {
  findError,
  finding,
  fitFresh,
  found,
  foundMs,
  searchAgain,
  startSearching,
  wallFailed,
} from "./state";
import { WallView } from "./WallView";

const DAY_S = 86400;

function Count() {
  const f = found.value;
  if (!f) return <span class="count">{finding.value ? "searching …" : ""}</span>;
  const ms = f.elapsed_ms < 10 ? Math.max(f.elapsed_ms, 0.1).toFixed(1) : Math.round(f.elapsed_ms);
  return (
    <span class="count" title={`${foundMs.value.toFixed(0)} ms until the answer was here`}>
      {formatCount(f.total)} series<span class="count-ms"> in {ms} ms</span>
      {f.truncated && `, the first ${formatCount(f.ids.length)} shown: narrow the search`}
      {f.filling && ", more are being read"}
    </span>
  );
}

function Empty() {
  const { q, match, range } = view.value;
  if (q !== "" || match !== "") {
    return (
      <Notice
        title={
          q === ""
            ? "Nothing that fits this selector was recorded in this time."
            : `Nothing fits “${q}” here.`
        }
      >
        <p>Every word must fit a name or a label, small typos aside. Try fewer words, or a longer time.</p>
        <p class="row">
          <button type="button" class="button" onClick={() => go({ q: "", match: "" })}>
            Show every series
          </button>
          {q !== "" && match !== "" && (
            <button type="button" class="button" onClick={() => go({ match: "" })}>
              Search without the selector
            </button>
          )}
          {(range.kind === "fixed" || range.seconds < DAY_S) && (
            <button
              type="button"
              class="button"
              onClick={() => go({ range: { kind: "last", seconds: DAY_S } })}
            >
              Search the last 24 h
            </button>
          )}
        </p>
      </Notice>
    );
  }
  return (
    <Notice title="Nothing was recorded in this time.">
      {range.kind === "fixed" ? (
        <p>
          It lies before the first sample that is kept, or after the last: <a href="/midwatch">Midwatch</a>{" "}
          says since when there is something.
        </p>
      ) : (
        <p>
          A fresh Midwatch has its first samples after a second or two. If this stays empty,{" "}
          <a href="/targets">Targets</a> says what was found and refused, and <a href="/midwatch">Midwatch</a>{" "}
          whether it records.
        </p>
      )}
      {range.kind === "fixed" && (
        <button type="button" class="button" onClick={() => go({ range: { kind: "last", seconds: 3600 } })}>
          Look at the last hour
        </button>
      )}
    </Notice>
  );
}

/** What narrows the wall beside the words, each removable. */
function Narrowings() {
  const { match, pick, shut } = view.value;
  if (match === "" && pick.length === 0 && shut.length === 0) return null;
  return (
    <div class="narrowings">
      {match !== "" && (
        <span class="chip">
          <code>{match}</code>
          <button type="button" aria-label="Remove this selector" onClick={() => go({ match: "" })}>
            ✕
          </button>
        </span>
      )}
      {pick.length > 0 && (
        <span class="chip chip-strong">
          {pick.length} picked
          <button type="button" class="chip-word" onClick={() => go({ open: pick })}>
            Compare
          </button>
          <button type="button" aria-label="Forget the picked series" onClick={() => go({ pick: [] })}>
            ✕
          </button>
        </span>
      )}
      {shut.length > 0 && (
        <span class="chip">
          {shut.length} {shut.length === 1 ? "group" : "groups"} shut
          <button type="button" class="chip-word" onClick={() => go({ shut: [] })}>
            Open all
          </button>
        </span>
      )}
    </div>
  );
}

export function Look() {
  useEffect(startSearching, []);
  useEffect(fitFresh, []);
  const [failed, setFailed] = useState<unknown>(null);
  const v = view.value;
  const f = found.value;
  const error = findError.value ?? failed;
  const onFailed = (e: unknown): void => {
    setFailed(e);
    wallFailed.value = true;
  };
  const nothing = f !== null && f.ids.length === 0;
  const e = error instanceof ApiError ? error : null;
  return (
    <main class="look">
      <h1 class="sr">Look</h1>
      <div class="tools">
        <SearchBox />
        <Count />
        <div class="tools-right">
          <fieldset class="switch" aria-label="Grouped by">
            <button
              type="button"
              title="Grouped by what series belong to (e)"
              aria-pressed={v.group === "entity"}
              onClick={() => go({ group: "entity", at: "", shut: [] })}
            >
              Things
            </button>
            <button
              type="button"
              title="Grouped by metric (e)"
              aria-pressed={v.group === "metric"}
              onClick={() => go({ group: "metric", at: "", shut: [] })}
            >
              Metrics
            </button>
          </fieldset>
          <fieldset class="switch" aria-label="Counters as">
            <button
              type="button"
              title="Counters as rates per second (r)"
              aria-pressed={!v.raw}
              onClick={() => go({ raw: false })}
            >
              Rate
            </button>
            <button
              type="button"
              title="Counters as they are (r)"
              aria-pressed={v.raw}
              onClick={() => go({ raw: true })}
            >
              Raw
            </button>
          </fieldset>
        </div>
      </div>
      <Narrowings />
      {error !== null && f !== null && (
        <p class="stale" role="alert">
          {e?.message ?? "Midwatch does not answer."} <Words text={e?.hint ?? ""} /> Shown is what was known
          before.{" "}
          <button type="button" class="link" onClick={searchAgain}>
            Try again
          </button>
        </p>
      )}
      <div class="wall-frame">
        {f === null && error !== null && (
          <Failure error={error} again={searchAgain}>
            {e?.kind === "refused" && v.match !== "" && (
              <button type="button" class="button" onClick={() => go({ match: "" })}>
                Remove the selector {v.match}
              </button>
            )}
          </Failure>
        )}
        {f === null && error === null && <Loading what="series" />}
        {nothing && <Empty />}
        <div class={f !== null && !nothing ? "wall-holder" : "wall-holder hidden"}>
          <WallView onFailed={onFailed} onLoaded={() => setFailed(null)} />
        </div>
      </div>
      {v.open.length > 0 && <ChartPanel />}
      <p class="sr" aria-live="polite">
        {f && !finding.value ? `${formatCount(f.total)} series found` : ""}
      </p>
    </main>
  );
}
