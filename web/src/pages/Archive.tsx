/**
 * What was moved to the archive, and bringing it back for a while. Must never say that a block is here before it is, nor
 * start anything that was not asked for by name.
 */
import { useState } from "preact/hooks";
import { api, serverNow } from "../api/client";
import type { Archive, ArchivedBlock } from "../api/types";
import { agoText, clockTime, isoText, momentText, spanText, zoneOf } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { Columns } from "../ui/columns";
import { Failure, Loading, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { StateShape } from "../ui/state";

const EVERY_MS = 5000;
/** How long what is brought back from here stays. */
const KEEP = "7d";
/** Rows that are shown before somebody asks for all. */
const ROWS_FIRST = 20;

function Where({ block }: { block: ArchivedBlock }) {
  if (block.state === "coming") return <>on its way</>;
  if (block.here_until_ms === null) return <>archived</>;
  const until = block.here_until_ms;
  return (
    <>
      here, <time title={isoText(until)}>until {momentText(until, serverNow())}</time>
    </>
  );
}

function Row({ block, ask }: { block: ArchivedBlock; ask: (block: ArchivedBlock, keep: string) => void }) {
  const now = serverNow();
  const period = `${momentText(block.first_ms, now)} to ${momentText(block.last_ms, now)}`;
  const away = block.state === "archived";
  return (
    <tr>
      <th scope="row">
        <time title={isoText(block.first_ms)}>{momentText(block.first_ms, now)}</time> to{" "}
        <time title={isoText(block.last_ms)}>{momentText(block.last_ms, now)}</time>
      </th>
      <td data-label="size">{formatValue(block.bytes, "bytes")}</td>
      <td data-label="series">{formatCount(block.series)}</td>
      <td data-label="samples">{formatCount(block.samples)}</td>
      <td data-label="where">
        <Where block={block} />
      </td>
      <td>
        <button
          type="button"
          class="button"
          aria-label={away ? `Bring back ${period} for 7 days` : `Send ${period} back to the archive`}
          onClick={() => ask(block, away ? KEEP : "0s")}
        >
          {away ? "Bring back for 7 d" : "Send away"}
        </button>
      </td>
    </tr>
  );
}

function Blocks({ data, again }: { data: Archive; again: () => void }) {
  const [all, setAll] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const [told, setTold] = useState("");
  const ask = async (block: ArchivedBlock, keep: string): Promise<void> => {
    setFailure(null);
    setTold("");
    try {
      const asked = await api.bringBack(block.first_ms, block.last_ms, keep);
      const size = formatValue(asked.bytes, "bytes");
      setTold(
        asked.to_copy > 0
          ? `${formatCount(asked.to_copy)} blocks (${size}) are on their way.`
          : "Noted. It takes a few seconds.",
      );
    } catch (error) {
      setFailure(error);
    }
    again();
  };
  // The newest first: they are looked for most.
  const newest = [...data.blocks].sort((a, b) => b.last_ms - a.last_ms);
  const shown = all ? newest : newest.slice(0, ROWS_FIRST);
  return (
    <>
      {failure !== null && <Failure error={failure} />}
      <p role="status" class="muted">
        {told}
      </p>
      <table class="table" aria-label="Archived blocks">
        <Columns
          names={["period", "size", "series", "samples", "where", <span class="sr">bring back</span>]}
        />
        <tbody>
          {shown.map((block) => (
            <Row key={block.id} block={block} ask={ask} />
          ))}
        </tbody>
      </table>
      {shown.length < newest.length && (
        <p>
          <button type="button" class="button" onClick={() => setAll(true)}>
            Show all {formatCount(newest.length)}
          </button>
        </p>
      )}
    </>
  );
}

export function ArchivePart() {
  const { data, error, at, again } = usePoll((signal) => api.archive(signal), EVERY_MS);
  if (data === null) {
    return error === null ? <Loading what="the archive" /> : <Failure error={error} again={again} />;
  }
  if (data.location === null && data.blocks.length === 0) {
    return (
      <p class="muted">
        There is no archive. With <code>--archive FOLDER</code>, or a bucket, old blocks move there instead of
        being removed, and can be brought back.
      </p>
    );
  }
  const after = spanText(data.after_ms / 1000);
  const last = data.blocks.reduce((newest, b) => Math.max(newest, b.last_ms), 0);
  return (
    <div class={error === null ? "" : "is-stale"}>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      {data.problem !== null && (
        <p class="stale" role="alert">
          <StateShape state="bad" /> The archive cannot be used now: {data.problem}. It is tried again by
          itself.
        </p>
      )}
      <p>
        {formatCount(data.blocks.length)} blocks, {formatValue(data.bytes, "bytes")}, in{" "}
        <code>{data.location ?? "an archive that is no longer named"}</code>. Blocks older than {after} move
        there
        {last > 0 && <>; the newest there ends {agoText(last, serverNow())}</>}. Questions leave them out, and
        say so.
      </p>
      {data.blocks.length > 0 && <Blocks data={data} again={again} />}
    </div>
  );
}
