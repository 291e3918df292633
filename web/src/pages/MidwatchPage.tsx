/**
 * What Midwatch does itself: its cost, its store, its sources, and every sample that it refused, with the reason. Must
 * never round a reject away.
 */
import { api, serverNow } from "../api/client";
import type { Status } from "../api/types";
import { agoText, clockTime, isoText, momentText, spanText, zoneOf } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { Columns } from "../ui/columns";
import { Failure, Loading, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { StateShape } from "../ui/state";
import { ArchivePart } from "./Archive";
import { LimitsPart } from "./Limits";
import { WorkTable } from "./Work";

const EVERY_MS = 5000;

function Figure({ title, value, note }: { title: string; value: string; note?: string }) {
  return (
    <div class="figure">
      <dt>{title}</dt>
      <dd>
        {value}
        {note && <span class="figure-note">{note}</span>}
      </dd>
    </div>
  );
}

function StoreFigures({ data }: { data: Status }) {
  const { store } = data;
  const now = serverNow();
  const ok = store.state === "ok";
  return (
    <>
      {!ok && (
        <p class="stale" role="alert">
          <StateShape state="bad" /> The store is {store.state.replace("_", " ")}:{" "}
          {store.message || "no reason was given"}. What was kept can be read; new samples are refused, and
          counted below.
        </p>
      )}
      <dl class="figures">
        <Figure title="Series" value={formatCount(store.series)} />
        <Figure title="Samples arriving" value={`${formatCount(store.samples_per_s)}/s`} />
        <Figure
          title="Kept since"
          value={store.oldest_ms ? agoText(store.oldest_ms, now) : "–"}
          note={
            store.oldest_ms
              ? `${momentText(store.oldest_ms, now)}; removed after ${data.retention}`
              : `removed after ${data.retention}`
          }
        />
        <Figure
          title="Blocks"
          value={formatValue(store.blocks_bytes, "bytes")}
          note={`${formatCount(store.blocks)} files`}
        />
        <Figure title="Newest samples, in memory" value={formatValue(store.head_bytes, "bytes")} />
        <Figure title="Write-ahead log" value={formatValue(store.wal_bytes, "bytes")} />
        <Figure
          title="Free on this disk"
          value={formatValue(store.disk_free_bytes, "bytes")}
          note={data.data_dir}
        />
      </dl>
    </>
  );
}

function Sources({ data }: { data: Status }) {
  if (data.sources.length === 0) return <p class="muted">Nothing has sent a sample yet.</p>;
  const now = serverNow();
  return (
    <table class="table" aria-label="Sources of samples">
      <Columns names={["source", "samples", "last", "refused"]} />
      <tbody>
        {data.sources.map((s) => (
          <tr key={s.source}>
            <th scope="row">{s.source}</th>
            <td data-label="samples">{formatCount(s.samples)}</td>
            <td data-label="last">
              {s.last_ms ? <time title={isoText(s.last_ms)}>{agoText(s.last_ms, now)}</time> : "never"}
            </td>
            <td data-label="refused">
              {s.rejected.length === 0
                ? "none"
                : s.rejected.map((r) => (
                    <span key={r.reason} class="reason">
                      {formatCount(r.samples)} × <code>{r.reason}</code> {r.message}
                    </span>
                  ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function MidwatchPage() {
  const { data, error, at, again } = usePoll((signal) => api.status(signal), EVERY_MS);
  if (data === null) {
    return (
      <main class="page">
        {error === null ? <Loading what="the state of Midwatch" /> : <Failure error={error} again={again} />}
      </main>
    );
  }
  const up = (serverNow() - data.started_ms) / 1000;
  return (
    <main class={`page ${error === null ? "" : "is-stale"}`}>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      <h1>Midwatch {data.version}</h1>
      <h2>What it costs</h2>
      <dl class="figures">
        <Figure title="CPU" value={formatValue(data.cost.cpu_ratio, "ratio", 2)} note="of one core" />
        <Figure title="Memory" value={formatValue(data.cost.memory_bytes, "bytes")} />
        <Figure
          title="Running for"
          value={spanText(Math.max(up, 0))}
          note={`since ${momentText(data.started_ms, serverNow())} ${zoneOf(data.started_ms)}`}
        />
      </dl>
      <p>
        <a href="/look?q=midwatch">Everything it records of itself</a> ·{" "}
        <a href="/cardinality">Where its series come from</a>
      </p>
      <h2>What it keeps</h2>
      <StoreFigures data={data} />
      <h2>What it has archived</h2>
      <ArchivePart />
      <h2>What it does in the background</h2>
      <WorkTable work={data.work} />
      <h2>What bounds it</h2>
      <LimitsPart />
      <h2>Where samples come from</h2>
      <Sources data={data} />
    </main>
  );
}
