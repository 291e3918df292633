/**
 * What is collected: targets that are scraped, and what was found on this host's ports, tried, refused, and why. Must
 * never hide a failure behind a count.
 */
import { api, serverNow } from "../api/client";
import type { ActiveTarget, Discovery, Port, Targets } from "../api/types";
import { agoText, clockTime, isoText, zoneOf } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { view } from "../state/app";
import { withMatcher } from "../state/selector";
import { defaults, toUrl } from "../state/url";
import { Columns } from "../ui/columns";
import { Failure, Loading, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { StateShape } from "../ui/state";

const EVERY_MS = 5000;

const TARGET_STATE: Record<string, string> = { up: "fine", down: "bad", unknown: "silent" };
const PORT_STATE: Record<string, string> = {
  scraped: "fine",
  own: "fine",
  refused: "silent",
  // Most ports speak no HTTP: that is no reason to worry anybody.
  failed: "silent",
  waiting: "silent",
};

function When({ ms }: { ms: number | null }) {
  if (ms === null || !Number.isFinite(ms) || ms <= 0) return <>not yet</>;
  return <time title={isoText(ms)}>{agoText(ms, serverNow())}</time>;
}

/** Everything that this target brought, in Look. */
function lookUrl(labels: ActiveTarget["labels"]): string {
  const { job = "", instance = "" } = labels;
  const match = withMatcher(withMatcher("", "instance", instance), "job", job);
  return toUrl({ ...defaults("look"), range: view.value.range, match });
}

function TargetRow({ target }: { target: ActiveTarget }) {
  const labels = Object.entries(target.labels)
    .filter(([k]) => k !== "job")
    .map(([k, v]) => `${k}=${v}`);
  return (
    <tr>
      <th scope="row">
        <StateShape state={TARGET_STATE[target.health] ?? "silent"} />{" "}
        <a href={lookUrl(target.labels)} title="Look at everything from here">
          {target.scrapeUrl}
        </a>
      </th>
      <td data-label="state">
        {target.health}
        {target.lastError !== "" && <span class="reason">{target.lastError}</span>}
      </td>
      <td data-label="job">{target.scrapePool}</td>
      <td data-label="labels">{labels.join(" ")}</td>
      <td data-label="every">{target.scrapeInterval}</td>
      <td data-label="last">
        <When ms={Date.parse(target.lastScrape)} />
      </td>
      <td data-label="took">{formatValue(target.lastScrapeDuration, "s")}</td>
    </tr>
  );
}

function PortRow({ port }: { port: Port }) {
  return (
    <tr>
      <th scope="row">
        <StateShape state={PORT_STATE[port.state] ?? "silent"} />{" "}
        {port.address.includes(":") ? `[${port.address}]` : port.address}:{port.port}
      </th>
      <td data-label="process">{port.process || "unknown"}</td>
      <td data-label="state">{port.state}</td>
      <td data-label="why" class={port.reason ? "" : "none"}>
        {port.reason || "–"}
      </td>
      <td data-label="asked">
        <When ms={port.checked_ms} />
      </td>
      <td data-label="again" class={port.next_check_ms ? "" : "none"}>
        {port.next_check_ms ? <When ms={port.next_check_ms} /> : "–"}
      </td>
    </tr>
  );
}

function TargetTable({ data }: { data: Targets }) {
  const down = data.activeTargets.filter((t) => t.health === "down");
  const sorted = [...down, ...data.activeTargets.filter((t) => t.health !== "down")];
  const dropped = data.droppedTargets?.length ?? 0;
  if (sorted.length === 0) {
    return (
      <p class="muted">
        Nothing is scraped yet. A service on this machine that answers <code>GET /metrics</code> is found by
        itself; others go into <code>scrape_configs</code> of the configuration file, as Prometheus has them.
        Samples may also be sent to <code>/api/v1/write</code> and <code>/api/v1/import</code>.
      </p>
    );
  }
  return (
    <>
      <table class="table" aria-label="Targets that are scraped">
        <Columns names={["target", "state", "job", "labels", "every", "last", "took"]} />
        <tbody>
          {sorted.map((t) => (
            <TargetRow key={`${t.scrapePool} ${t.scrapeUrl}`} target={t} />
          ))}
        </tbody>
      </table>
      {dropped > 0 && <p class="muted">{dropped} more were dropped by relabelling.</p>}
    </>
  );
}

function PortTable({ data }: { data: Discovery }) {
  if (!data.enabled) {
    return (
      <p class="muted">
        Finding services by itself is switched off (<code>--no-discover</code>, or in the configuration file).
      </p>
    );
  }
  if (data.ports.length === 0) return <p class="muted">No listening port was seen on this machine yet.</p>;
  return (
    <table class="table" aria-label="Listening ports, and what they answered">
      <Columns names={["port", "process", "state", "why", "asked", "again"]} />
      <tbody>
        {data.ports.map((p) => (
          <PortRow key={`${p.address} ${p.port}`} port={p} />
        ))}
      </tbody>
    </table>
  );
}

/** How many, and how many of them answer. */
function Tally({ data }: { data: Targets }) {
  const all = data.activeTargets.length;
  const down = data.activeTargets.filter((t) => t.health === "down").length;
  if (all === 0) return null;
  return (
    <span class="tally">
      {formatCount(all)}, {down === 0 ? "none down" : `${formatCount(down)} down`}
    </span>
  );
}

export function TargetsPage() {
  const targets = usePoll((signal) => api.targets(signal), EVERY_MS);
  const discovery = usePoll((signal) => api.discovery(signal), EVERY_MS);
  return (
    <main class="page">
      <h1>Targets</h1>
      <h2>Scraped {targets.data && <Tally data={targets.data} />}</h2>
      {targets.error !== null && targets.data !== null && (
        <StaleLine error={targets.error} since={`${clockTime(targets.at)} ${zoneOf(targets.at)}`} />
      )}
      {targets.data ? (
        <TargetTable data={targets.data} />
      ) : targets.error === null ? (
        <Loading what="targets" />
      ) : (
        <Failure error={targets.error} again={targets.again} />
      )}
      <h2>Found on this machine</h2>
      {discovery.data?.enabled !== false && (
        <p class="muted">
          Each listening port is asked once for metrics, politely, and not again for an hour when it has none.
        </p>
      )}
      {discovery.data ? (
        <PortTable data={discovery.data} />
      ) : discovery.error === null ? (
        <Loading what="what was found" />
      ) : (
        targets.error === null && <Failure error={discovery.error} again={discovery.again} />
      )}
    </main>
  );
}
