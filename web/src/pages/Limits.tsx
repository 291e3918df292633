/**
 * The bounds: what is used of each, which were hit, when, and what was said. Those that were hit come first. Must never
 * show a bound that was hit as one that was not.
 */
import { api, serverNow } from "../api/client";
import type { Limit } from "../api/types";
import { agoText, isoText } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { Columns } from "../ui/columns";
import { Failure, Loading } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { StateShape } from "../ui/state";

const EVERY_MS = 10_000;
/** From here on it is time to look. */
const NEAR = 0.8;

const amount = (v: number, unit: string): string =>
  unit === "bytes" || unit === "s" ? formatValue(v, unit) : `${formatCount(v)} ${unit}`;

const share = (l: Limit): number | null => (l.used === null || l.limit <= 0 ? null : l.used / l.limit);

const near = (l: Limit): boolean => (share(l) ?? 0) >= NEAR && l.name !== "retention_size";

function Row({ l }: { l: Limit }) {
  const used = share(l);
  return (
    <tr>
      <th scope="row">
        <StateShape state={l.hits > 0 || near(l) ? "look" : "fine"} /> <code>{l.name}</code>
      </th>
      <td data-label="limit">{amount(l.limit, l.unit)}</td>
      <td data-label="used" class={used === null ? "none" : ""}>
        {used === null ? (
          "–"
        ) : (
          <span class="work-run">
            <meter min={0} max={1} value={Math.min(1, used)} aria-label={`used of ${l.name}`} />
            {formatValue(used, "ratio", 2)}: {amount(l.used!, l.unit)}
          </span>
        )}
      </td>
      <td data-label="hit" class={l.hits === 0 ? "none" : ""}>
        {l.counted === "" ? "–" : l.hits === 0 ? "never" : `${formatCount(l.hits)} ${l.counted}`}
        {l.last_ms !== null && (
          <>
            , last <time title={isoText(l.last_ms)}>{agoText(l.last_ms, serverNow())}</time>
          </>
        )}
        {l.message !== "" && <span class="reason">{l.message}</span>}
      </td>
      <td data-label="then">{l.at_limit}</td>
    </tr>
  );
}

function Table({ limits, name }: { limits: Limit[]; name: string }) {
  return (
    <table class="table" aria-label={name}>
      <Columns names={["limit", "at", "used", "hit", "what happens there"]} />
      <tbody>
        {limits.map((l) => (
          <Row key={l.name} l={l} />
        ))}
      </tbody>
    </table>
  );
}

export function LimitsPart() {
  const { data, error, again } = usePoll((signal) => api.limits(signal), EVERY_MS);
  if (data === null)
    return error === null ? <Loading what="limits" /> : <Failure error={error} again={again} />;
  const hit = data.limits.filter((l) => l.hits > 0 || near(l));
  const rest = data.limits.filter((l) => !hit.includes(l));
  return (
    <>
      {hit.length === 0 ? (
        <p>No limit was hit since the start, and none is near.</p>
      ) : (
        <Table limits={hit} name="Limits that were hit or are near" />
      )}
      <details class="more">
        <summary>
          {hit.length === 0 ? "All" : "The other"} {rest.length} limits
        </summary>
        <Table limits={rest} name="Other limits" />
      </details>
    </>
  );
}
