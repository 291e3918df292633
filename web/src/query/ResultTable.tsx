/** The rows of an answer. Numbers are shown as people read them, exactly in the title. Must never show a text as HTML. */

import { serverNow } from "../api/client";
import { momentText } from "../format/time";
import { formatValue } from "../format/units";
import { type Answer, type Column, cellText, isNumber, numberOf } from "./result";

function Cell({ column, value }: { column: Column; value: unknown }) {
  if (value === null || value === undefined) return <span class="none">null</span>;
  if (isNumber(column)) {
    const n = numberOf(value);
    if (n === null || !Number.isFinite(n)) return <>{String(value)}</>;
    if (column.unit === "" && column.type === "integer") return <>{String(value)}</>;
    return <span title={String(value)}>{formatValue(n, column.unit, 5)}</span>;
  }
  if (column.type === "timestamp") {
    const ms = Date.parse(String(value));
    if (!Number.isFinite(ms)) return <span>{String(value)}</span>;
    return <time title={String(value)}>{momentText(ms, serverNow())}</time>;
  }
  if (column.type === "map" && typeof value === "object") {
    return (
      <>
        {Object.entries(value).map(([k, v]) => (
          <span class="pair" key={k}>
            <span class="muted">{k}=</span>
            {cellText(v)}
          </span>
        ))}
      </>
    );
  }
  return <>{cellText(value)}</>;
}

export function ResultTable({ answer }: { answer: Answer }) {
  if (answer.rows.length === 0) {
    return (
      <p class="muted" role="status">
        No row matches. A longer time, or fewer conditions?
      </p>
    );
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it.
    <section class="rows" tabIndex={0} aria-label="Rows of the answer">
      <table class="table result" aria-label="Answer">
        <thead>
          <tr>
            {answer.columns.map((c, i) => (
              <th key={i} scope="col" class={isNumber(c) ? "number" : ""} title={c.type}>
                {c.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.rows.map((row, r) => (
            <tr key={r}>
              {answer.columns.map((c, i) => (
                <td key={i} class={isNumber(c) ? "number" : ""}>
                  <Cell column={c} value={row[i]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
