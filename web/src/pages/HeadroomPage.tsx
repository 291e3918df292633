/**
 * Everything that is bounded, the soonest first: what is used, and when it would be reached. Must never show a time more exactly
 * than the server says it.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../api/client";
import { critic, type Headroom, type Room } from "../api/critic";
import { spanText } from "../format/time";
import { formatValue } from "../format/units";
import { defaults, toUrl } from "../state/url";
import { Columns } from "../ui/columns";
import { Failure, Loading, Notice } from "../ui/notice";
import { StateShape } from "../ui/state";
import { picturePath } from "./compare";
import { selectorsOf } from "./critic/links";

const SHAPE = { bad: "bad", look: "look", unknown: "silent", fine: "fine" } as const;

function of(room: Room): string {
  const { instance, ...others } = room.labels;
  return [...Object.values(others), instance].filter(Boolean).join(" · ");
}

/** Selectors of what is used, of this thing alone. */
function link(room: Room): string {
  const labels = Object.entries(room.labels);
  const own = (selector: string): string => {
    const [name, inside = ""] = selector.replace(/\}$/, "").split("{", 2) as [string, string?];
    const known = labels.filter(([label]) => !new RegExp(`\\b${label}[=!]`).test(inside));
    const pairs = known.map(([label, value]) => `${label}=${JSON.stringify(value)}`);
    return `${name}{${[inside, ...pairs].filter(Boolean).join(",")}}`;
  };
  const open = selectorsOf(room.query, 2).map(own);
  return toUrl({
    ...defaults("look"),
    q: open[0]?.replace(/\{.*$/s, "") ?? "",
    open,
    range: { kind: "last", seconds: room.seen_s > 86_400 ? 3 * 86_400 : 3 * 3600 },
  });
}

function pace(room: Room): string {
  if (room.trend === null) return "";
  const { low_per_day: low, high_per_day: high } = room.trend;
  const value = (v: number): string => formatValue(v, room.unit === "bytes" ? "bytes" : "", 2);
  // A pace of which not even the direction is known is none.
  if (low <= 0 && high >= 0) return `steady, as far as ${spanText(room.seen_s)} tell`;
  return `${value(low)} to ${value(high)} a day, seen for ${spanText(room.seen_s)}`;
}

function Line({ room }: { room: Room }) {
  const unit = room.unit === "bytes" ? "bytes" : "";
  const { path, dots } = picturePath(room.points);
  return (
    <tr>
      <td>
        <StateShape state={SHAPE[room.state]} />
      </td>
      <th scope="row">
        <a href={link(room)}>{room.title}</a>
        <span class="room-of">{of(room)}</span>
      </th>
      <td class="room-says">
        {room.says}
        {(room.state === "bad" || room.state === "look") && (
          <span class="room-of">
            {room.at_limit} {room.what_to_do}
          </span>
        )}
      </td>
      <td class="number">
        {room.share !== null && (
          <>
            <meter min={0} max={1} low={0.85} high={0.95} optimum={0} value={room.share} aria-hidden="true" />{" "}
            {Math.floor(room.share * 1000) / 10} %
          </>
        )}
        {room.used !== null && room.limit !== null && room.limit > 0 && (
          <span class="room-of">
            {formatValue(room.used, unit)} of {formatValue(room.limit, unit)} {unit === "" && room.unit}
          </span>
        )}
      </td>
      <td>
        {room.points.length > 1 && (
          <svg class="room-picture" viewBox="0 0 144 30" preserveAspectRatio="none" aria-hidden="true">
            <path d={path} />
            {dots.map((d) => (
              <circle key={d.x} cx={d.x} cy={d.y} r="1" />
            ))}
          </svg>
        )}
        <span class="room-of">{pace(room)}</span>
      </td>
    </tr>
  );
}

export function HeadroomPage() {
  const [data, setData] = useState<Headroom | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    const load = (): void => {
      critic
        .headroom(stop.signal)
        .then((answer) => {
          setData(answer);
          setError(null);
        })
        .catch((e) => !isAbort(e) && setError(e));
    };
    load();
    const timer = setInterval(() => document.visibilityState === "visible" && load(), 30_000);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [round]);
  return (
    <main class="page page-wide">
      <h1>Headroom</h1>
      <p class="muted">
        Everything that has a bound, the soonest first. A time is named only where what was seen bears one.
      </p>
      {error !== null && <Failure error={error} again={() => setRound((r) => r + 1)} />}
      {data === null && error === null && <Loading what="what is bounded" />}
      {data !== null && data.items.length === 0 && (
        <Notice title="Nothing that has a bound is recorded yet.">
          <p>Looked for: {[...new Set(data.looked_for)].join(", ")}.</p>
        </Notice>
      )}
      {data !== null && data.items.length > 0 && (
        <div class="room-scroll">
          <table class="table rooms" aria-label="What is bounded">
            <Columns names={["State", "What", "Reached", "Used", "Pace"]} />
            <tbody>
              {data.items.map((room) => (
                <Line key={room.id + of(room)} room={room} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.problems.map((p) => (
        <p key={p.id} class="muted">
          {p.title} could not be asked: {p.why}
        </p>
      ))}
    </main>
  );
}
