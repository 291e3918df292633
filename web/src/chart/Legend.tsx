/**
 * The lines of the large chart as a table: colour, name, value under the pointer, statistics. Must never compute a
 * statistic: the server does, over every sample.
 */
import { formatValue } from "../format/units";
import { go, view } from "../state/app";
import { type Line, type Merged, offsetText } from "./data";

const COLUMNS = ["min", "mean", "p50", "p95", "max", "last"] as const;

function drop(selector: string): void {
  go({ open: view.value.open.filter((s) => s !== selector) });
}

function Row(props: {
  line: Line;
  value: number | null;
  pointing: boolean;
  colour: string;
  several: boolean;
  many: boolean;
}) {
  const { line } = props;
  const { stats } = line.line;
  const dash = { 3600: "6 4", 86400: "2 3", 604800: "10 4 2 4" }[line.offset];
  return (
    <tr class={line.offset === 0 ? "" : "legend-under"}>
      <th scope="row">
        <svg class="swatch" viewBox="0 0 24 10" aria-hidden="true">
          <path
            d="M0 5h24"
            stroke={line.offset !== 0 && !props.many ? "currentColor" : props.colour}
            stroke-dasharray={dash}
          />
        </svg>
        <span class="legend-name" title={line.selector}>
          {line.offset === 0 ? line.name : offsetText(line.offset)}
        </span>
        {props.several && line.offset === 0 && (
          <button
            type="button"
            class="legend-drop"
            aria-label={`Take ${line.name} out`}
            onClick={() => drop(line.selector)}
          >
            ✕
          </button>
        )}
      </th>
      <td class="legend-now" data-label="here">
        {props.pointing ? formatValue(props.value, line.unit, 4) : ""}
      </td>
      {COLUMNS.map((c) => (
        <td key={c} data-label={c}>
          {formatValue(stats[c], line.unit, 4)}
        </td>
      ))}
    </tr>
  );
}

export function Legend({ data, point, colours }: { data: Merged; point: number | null; colours: string[] }) {
  const many = data.lines.filter((l) => l.offset === 0).length > 1;
  const several = new Set(data.lines.map((l) => l.selector)).size > 1;
  return (
    <table class="legend" aria-label="Lines and their statistics">
      <thead>
        <tr>
          <th scope="col">{data.lines.length === 1 ? "" : `${data.lines.length} lines`}</th>
          <th scope="col">here</th>
          {COLUMNS.map((c) => (
            <th key={c} scope="col">
              {c}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {data.lines.map((line, i) => (
          <Row
            key={`${line.selector} ${line.name} ${line.offset}`}
            line={line}
            value={point === null ? null : (data.columns[i]?.avg[point] ?? null)}
            pointing={point !== null}
            colour={colours[line.colour % colours.length] ?? ""}
            several={several}
            many={many}
          />
        ))}
      </tbody>
    </table>
  );
}
