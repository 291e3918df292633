/**
 * Who calls whom, from left to right, and the same as a table. A service that fails is marked by shape as well as colour.
 * Must never draw a call that was not seen.
 */
import { useState } from "preact/hooks";
import { type CallFacts, type MapNode, type ServicesMap, traces } from "../../api/traces";
import { formatValue } from "../../format/units";
import { span } from "../../state/app";
import { Columns } from "../../ui/columns";
import { Failure, Loading, Notice } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { StateShape } from "../../ui/state";
import { layers } from "./layout";
import { set } from "./state";

const WIDE = 168;
const HIGH = 50;

const KINDS: Record<MapNode["kind"], string> = {
  service: "",
  database: "database",
  queue: "queue",
  outside: "somebody else's",
  user: "from outside",
};

/** Some errors are worth a look, many are bad. */
export function stateOf(facts: CallFacts): "fine" | "look" | "bad" | "silent" {
  if (facts.error_ratio === null) return "silent";
  return facts.error_ratio >= 0.05 ? "bad" : facts.error_ratio > 0.005 ? "look" : "fine";
}

const percent = (ratio: number | null): string =>
  ratio === null
    ? "–"
    : `${ratio >= 0.1 ? (ratio * 100).toFixed(0) : Number((ratio * 100).toPrecision(2))} %`;

const factsText = (f: CallFacts): string =>
  [
    `${formatValue(f.rate, "")}/s`,
    f.error_ratio ? `${percent(f.error_ratio)} errors` : "",
    f.p99_s === null ? "" : `p99 ${formatValue(f.p99_s, "s")}`,
  ]
    .filter(Boolean)
    .join(", ");

/** What fits into a box: how often, and what is wrong or else how long. */
const shortText = (f: CallFacts): string =>
  f.error_ratio
    ? `${formatValue(f.rate, "")}/s, ${percent(f.error_ratio)} errors`
    : factsText({ ...f, error_ratio: null });

const risks = (node: MapNode): string => (node.marks ?? []).map((m) => `${m.why}; `).join("");

/** What would be an outage if one copy failed, or has lost one already. */
function Risks({ map }: { map: ServicesMap }) {
  const marked = map.nodes.filter((n) => n.marks?.length);
  if (marked.length === 0) return null;
  return (
    <section class="map-risks" aria-label="Single points of failure and lost redundancy">
      <h2>Single points of failure, and lost redundancy</h2>
      <ul>
        {marked.flatMap((n) =>
          (n.marks ?? []).map((m) => (
            <li key={n.name + m.why}>
              <StateShape state={m.mark === "lost" ? "bad" : "look"} word={false} /> <strong>{n.name}</strong>
              : {m.why}.
            </li>
          )),
        )}
      </ul>
    </section>
  );
}

function Picture({
  map,
  over,
  setOver,
}: {
  map: ServicesMap;
  over: string;
  setOver: (name: string) => void;
}) {
  const { nodes, width, height } = layers(map.nodes, map.edges);
  const at = new Map(nodes.map((p) => [p.node.name, p]));
  const near = (name: string): boolean =>
    over === "" ||
    name === over ||
    map.edges.some(
      (e) => (e.client === over && e.server === name) || (e.server === over && e.client === name),
    );
  return (
    <div class="map-box">
      {/* biome-ignore lint/a11y/useSemanticElements: there are no field sets in SVG */}
      <svg
        class="map"
        width={width + 10}
        height={height + 10}
        viewBox={`0 0 ${width + 10} ${height + 10}`}
        role="group"
        aria-label="Services and their calls; the table below says the same"
      >
        {map.edges.map((e) => {
          const [a, b] = [at.get(e.client), at.get(e.server)];
          if (!a || !b) return null;
          const [x1, y1] = [a.x + WIDE, a.y + HIGH / 2];
          const [x2, y2] = [b.x, b.y + HIGH / 2];
          const bend = Math.max(30, Math.abs(x2 - x1) / 2);
          const faint = over !== "" && e.client !== over && e.server !== over;
          return (
            <path
              key={`${e.client} ${e.server} ${e.connection}`}
              class={`map-edge map-${stateOf(e.facts)} ${faint ? "map-faint" : ""}`}
              d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
              stroke-width={Math.min(6, 1 + Math.log10(1 + e.facts.rate * 10))}
            >
              <title>{`${e.client} calls ${e.server}: ${factsText(e.facts)}`}</title>
            </path>
          );
        })}
        {nodes.map(({ node, x, y }) => {
          const state = stateOf(node.facts);
          const open = (): void => set({ show: "", service: node.name }, "push");
          return (
            // biome-ignore lint/a11y/useSemanticElements: there are no buttons in SVG
            <g
              key={node.name}
              class={`map-node map-${state} map-kind-${node.kind} ${near(node.name) ? "" : "map-faint"}`}
              transform={`translate(${x} ${y})`}
              role="button"
              tabIndex={0}
              aria-label={`${node.name}, ${KINDS[node.kind]} ${factsText(node.facts)}; ${risks(node)}its traces`}
              onMouseEnter={() => setOver(node.name)}
              onMouseLeave={() => setOver("")}
              onFocus={() => setOver(node.name)}
              onBlur={() => setOver("")}
              onClick={open}
              onKeyDown={(e) => {
                if (e.key !== "Enter" && e.key !== " ") return;
                e.preventDefault();
                open();
              }}
            >
              <rect
                class="map-shape"
                width={WIDE}
                height={HIGH}
                rx={node.kind === "service" ? 8 : node.kind === "user" ? 25 : 2}
              />
              {state === "bad" && <rect class="map-mark" x={WIDE - 18} y={6} width={11} height={11} />}
              {state === "look" && <path class="map-mark" d={`M${WIDE - 13} 5l7 12h-14z`} />}
              {(node.marks ?? []).slice(0, 1).map((m) => (
                <text key={m.mark} x={WIDE - 8} y={HIGH - 12} text-anchor="end" class="map-risk">
                  {m.mark === "single" ? "1×" : "↓"}
                </text>
              ))}
              <text x={10} y={20} class="map-name">
                {node.name.length > 20 ? `${node.name.slice(0, 19)}…` : node.name}
              </text>
              <text x={10} y={38} class="map-facts">
                {node.kind === "user" ? "from outside" : shortText(node.facts)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function Table({ map }: { map: ServicesMap }) {
  const edges = [...map.edges].sort((a, b) => b.facts.rate - a.facts.rate);
  return (
    <table class="table" aria-label="Calls between services">
      <Columns names={["caller", "called", "calls", "errors", "half below", "99 of 100 below"]} />
      <tbody>
        {edges.map((e) => (
          <tr key={`${e.client} ${e.server} ${e.connection}`}>
            <th scope="row">
              <StateShape state={stateOf(e.facts)} /> {e.client || "(no service)"}
            </th>
            <td data-label="called">{e.server || "(no service)"}</td>
            <td data-label="calls">{formatValue(e.facts.rate, "")}/s</td>
            <td data-label="errors">{percent(e.facts.error_ratio)}</td>
            <td data-label="half below">{e.facts.p50_s === null ? "–" : formatValue(e.facts.p50_s, "s")}</td>
            <td data-label="99 of 100 below">
              {e.facts.p99_s === null ? "–" : formatValue(e.facts.p99_s, "s")}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function ServiceMap() {
  const [over, setOver] = useState("");
  const { from, to } = span.value;
  const map = usePoll(
    (signal) => traces.map(span.peek().from, span.peek().to, signal),
    15_000 + ((from + to) % 2),
  );
  if (map.error !== null && map.data === null) return <Failure error={map.error} again={map.again} />;
  if (map.data === null) return <Loading what="the map" />;
  if (map.data.nodes.length === 0)
    return (
      <Notice title="No service was seen in this time.">
        <p>The map is drawn from spans: it comes by itself once services send them.</p>
      </Notice>
    );
  return (
    <>
      <Picture map={map.data} over={over} setOver={setOver} />
      <p class="muted">
        {map.data.source === "metrics"
          ? "From every span that arrived."
          : `From the spans of this time${map.data.is_cut ? ", the newest of them" : ""}.`}{" "}
        A square marks a service of which 5 % and more of its calls fail, a triangle one with some errors. A
        broken border marks a service that has no copy to spare. Click for its traces.
      </p>
      <Risks map={map.data} />
      <Table map={map.data} />
    </>
  );
}
