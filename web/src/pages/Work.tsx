/**
 * What Midwatch does in the background: what runs and how far it is, what waits and for how long, how the last run
 * ended. Must never show work that is behind as if all were well.
 */
import { serverNow } from "../api/client";
import type { Work } from "../api/types";
import { agoText, isoText, spanText } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { Columns } from "../ui/columns";
import { StateShape } from "../ui/state";

/** What each kind is for, in a person's words. */
const WORDS: Record<string, string> = {
  write_block: "Write newest samples to a block",
  merge: "Merge small blocks",
  summarise: "Summarise older blocks",
  retain: "Remove what retention no longer covers",
  archive: "Move old blocks to the archive",
  bring_back: "Bring archived blocks back",
  delete: "Delete series",
};

/** Longer than this something has waited while nothing of the kind got done. */
const BEHIND_S = 600;

function stateOf(w: Work): string {
  if (w.last?.error) return "bad";
  if (w.behind_s > BEHIND_S) return "look";
  return w.running.length > 0 || w.last || w.waiting > 0 ? "fine" : "silent";
}

function Progress({ run, kind }: { run: Work["running"][number]; kind: string }) {
  const share = run.total_bytes > 0 ? Math.min(1, run.done_bytes / run.total_bytes) : null;
  const since = spanText(Math.max(0, (serverNow() - run.since_ms) / 1000));
  return (
    <span class="work-run">
      {run.what}, for {since}
      {share !== null && (
        <>
          <meter min={0} max={1} value={share} aria-label={`${kind}: ${run.what}`} />
          <span>
            {formatValue(share, "ratio", 2)} of {formatValue(run.total_bytes, "bytes")}
          </span>
        </>
      )}
    </span>
  );
}

function Last({ last }: { last: Work["last"] }) {
  if (last === null) return <>not yet</>;
  return (
    <>
      <time title={isoText(last.ended_ms)}>{agoText(last.ended_ms, serverNow())}</time>: {last.what}, took{" "}
      {formatValue(last.took_s, "s")}
      {last.bytes > 0 && `, ${formatValue(last.bytes, "bytes")}`}
      {last.error && <span class="reason">failed: {last.error}. It is tried again by itself.</span>}
    </>
  );
}

function Row({ w }: { w: Work }) {
  const words = Object.hasOwn(WORDS, w.kind) ? WORDS[w.kind]! : w.kind;
  return (
    <tr>
      <th scope="row">
        <StateShape state={stateOf(w)} /> {words}
      </th>
      <td data-label="now" class={w.running.length > 0 ? "" : "none"}>
        {w.running.length === 0
          ? "–"
          : w.running.map((r) => <Progress key={r.since_ms} run={r} kind={words} />)}
      </td>
      <td data-label="waiting" class={w.waiting > 0 ? "" : "none"}>
        {w.waiting === 0
          ? "–"
          : `${formatCount(w.waiting)}${w.waiting_bytes > 0 ? `, ${formatValue(w.waiting_bytes, "bytes")}` : ""}, for ${spanText(w.behind_s)}`}
      </td>
      <td data-label="last">
        <Last last={w.last} />
      </td>
      <td data-label="runs">
        {formatCount(w.succeeded + w.failed)}
        {w.failed > 0 && <span class="reason">{formatCount(w.failed)} failed</span>}
      </td>
    </tr>
  );
}

export function WorkTable({ work }: { work: Work[] }) {
  // What never ran and does not wait says nothing.
  const shown = work.filter((w) => stateOf(w) !== "silent");
  if (shown.length === 0) {
    return (
      <p class="muted">Nothing had to be done since the start. It begins when the newest samples are cut.</p>
    );
  }
  return (
    <table class="table" aria-label="Work in the background">
      <Columns names={["work", "now", "waiting", "last", "runs"]} />
      <tbody>
        {shown.map((w) => (
          <Row key={w.kind} w={w} />
        ))}
      </tbody>
    </table>
  );
}
