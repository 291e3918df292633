/** Fields of the newest records with their most frequent values: a click narrows the search. Must never count what it was not told. */
import { formatCount } from "../format/units";
import { view } from "../state/app";
import { fields, setQuery } from "./state";
import { harmless, holds, toggled } from "./text";
import type { LogField } from "./types";

function Facet({ field, isOpen }: { field: LogField; isOpen: boolean }) {
  const q = view.value.q;
  return (
    <details class="log-facet" open={isOpen}>
      <summary>
        {harmless(field.name)} <span class="muted">{formatCount(field.distinct)}</span>
      </summary>
      <ul>
        {field.values.map((v) => (
          <li key={v.value}>
            <button
              type="button"
              aria-pressed={holds(q, field.name, v.value)}
              title={`${field.name}: ${harmless(v.value)}`}
              onClick={(e) => setQuery(toggled(q, field.name, v.value, e.altKey))}
            >
              <span class="log-facet-value">{harmless(v.value) || "(empty)"}</span>
              <span class="number">{formatCount(v.count)}</span>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

export function Facets() {
  const found = fields.value;
  if (!found || found.fields.length === 0) return null;
  return (
    <nav class="log-facets" aria-label="Fields">
      {found.fields.slice(0, 40).map((f, i) => (
        <Facet key={f.name} field={f} isOpen={i < 4 && f.distinct < 50} />
      ))}
      <p class="muted">
        Of the newest {formatCount(found.looked_at)} records. Alt with a click leaves a value out.
      </p>
    </nav>
  );
}
