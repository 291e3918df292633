/**
 * Finding traces: what is asked for stands in the address, facets narrow it, the answer is a scatter and a list. Must
 * never say that nothing is there when the search was cut short.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../../api/client";
import { type FoundTraces, traces } from "../../api/traces";
import { formatCount } from "../../format/units";
import { span } from "../../state/app";
import { Failure, Loading, Notice } from "../../ui/notice";
import { FieldsButton } from "../FieldsThatDiffer";
import { nsText } from "./layout";
import { Scatter } from "./Scatter";
import { attributesOf, own, set, zoomTo } from "./state";
import { TraceList } from "./TraceList";

function Field(props: { name: string; title: string; hint?: string; list?: readonly [string, number][] }) {
  const { name, title, hint, list } = props;
  const id = `traces-${name}`;
  return (
    <label class="entry">
      <span>{title}</span>
      <input
        id={id}
        type="text"
        value={own(name)}
        placeholder={hint ?? "any"}
        list={list ? `${id}-list` : undefined}
        spellcheck={false}
        autocomplete="off"
        onChange={(e) => set({ [name]: e.currentTarget.value.trim() }, "push")}
      />
      {list && (
        <datalist id={`${id}-list`}>
          {list.map(([value]) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
    </label>
  );
}

function Form({ found }: { found: FoundTraces | null }) {
  return (
    <form class="traces-form" onSubmit={(e) => e.preventDefault()} aria-label="Which traces">
      <Field name="service" title="Service" list={found?.facets.service} />
      <Field name="op" title="Operation" list={found?.facets.operation} />
      <label class="entry">
        <span>Status</span>
        <select value={own("status")} onChange={(e) => set({ status: e.currentTarget.value }, "push")}>
          <option value="">any</option>
          <option value="error">error</option>
          <option value="ok">ok</option>
          <option value="unset">not said</option>
        </select>
      </label>
      <Field name="min" title="At least" hint="20ms" />
      <Field name="max" title="At most" hint="2s" />
      <label class="entry">
        <span>Attributes</span>
        <input
          type="text"
          value={attributesOf(own("attr")).join("  ")}
          placeholder="http.route=/cart  user.id=7"
          spellcheck={false}
          autocomplete="off"
          onChange={(e) =>
            set(
              {
                attr: e.currentTarget.value
                  .split(/\s{2,}|\s(?=\S+=)/)
                  .map((s) => s.trim())
                  .join("\n")
                  .trim(),
              },
              "push",
            )
          }
        />
      </label>
      <label class="entry">
        <span>Order</span>
        <select value={own("order")} onChange={(e) => set({ order: e.currentTarget.value }, "push")}>
          <option value="">newest</option>
          <option value="slowest">slowest</option>
        </select>
      </label>
    </form>
  );
}

function Facets({ found }: { found: FoundTraces }) {
  const groups = [
    { name: "service", title: "Services", list: found.facets.service },
    { name: "op", title: "Operations", list: found.facets.operation },
    { name: "status", title: "Status", list: found.facets.status },
  ];
  return (
    <aside class="facets" aria-label="What the spans have in common">
      {groups.map(({ name, title, list }) => (
        <section key={name}>
          <h2>{title}</h2>
          <ul>
            {list.slice(0, 12).map(([value, count]) => {
              const chosen = own(name) === value && value !== "";
              return (
                <li key={value}>
                  <button
                    type="button"
                    class="facet"
                    aria-pressed={chosen}
                    disabled={value === ""}
                    onClick={() => set({ [name]: chosen ? "" : value }, "push")}
                  >
                    <span class="facet-name">{value || "(no name)"}</span>
                    <span class="muted">{formatCount(count)}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        </section>
      ))}
    </aside>
  );
}

function Nothing() {
  const asked = ["service", "op", "status", "min", "max", "attr"].some((n) => own(n) !== "");
  const at = location.host;
  return asked ? (
    <Notice title="No trace in this time is like that.">
      <p class="row">
        <button
          type="button"
          class="button"
          onClick={() => set({ service: "", op: "", status: "", min: "", max: "", attr: "" }, "push")}
        >
          Ask for less
        </button>
      </p>
    </Notice>
  ) : (
    <Notice title="No traces arrived in this time.">
      <p>
        Send them with any OpenTelemetry SDK or collector: by gRPC to port 4317, by HTTP to port 4318, or to{" "}
        <code>http://{at}/v1/traces</code>.
      </p>
      <pre class="example">
        {`export OTEL_SERVICE_NAME=shop
export OTEL_TRACES_EXPORTER=otlp
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
opentelemetry-instrument python3 app.py`}
      </pre>
    </Notice>
  );
}

/** What was dropped by sampling, where something was. */
function Sampled({ found }: { found: FoundTraces }) {
  const some = found.sampled.filter((s) => s.dropped > 0);
  if (some.length === 0) return null;
  const words = some
    .slice(0, 6)
    .map((s) => `${s.service} 1 of ${((s.kept + s.dropped) / Math.max(s.kept, 1)).toFixed(1)}`);
  return (
    <p class="muted">
      Not all traces are kept (errors and slow ones are, of the others a share): {words.join(", ")} since the
      start.
    </p>
  );
}

export function Search() {
  const [found, setFound] = useState<FoundTraces | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const { from, to } = span.value;
  const asked = ["service", "op", "status", "min", "max", "attr", "order", "skip"].map(own);
  const [service, operation, status, min, max, attr, order, skip] = asked;
  useEffect(() => {
    const stop = new AbortController();
    traces
      .search(
        { from, to, service, operation, status, min, max, attributes: attributesOf(attr ?? ""), order, skip },
        stop.signal,
      )
      .then((data) => {
        setFound(data);
        setError(null);
      })
      .catch((e) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [from, to, round, asked.join("\0")]);
  const begin = Number(skip || 0);
  return (
    <>
      <Form found={found} />
      <FieldsButton
        question={{
          signal: "spans",
          start: from / 1000,
          end: to / 1000,
          service: service ?? "",
          operation: operation ?? "",
          status: status ?? "",
          min_duration: min ?? "",
          max_duration: max ?? "",
          attributes: attributesOf(attr ?? ""),
        }}
        others={[service, operation, status, min, max, attr].some((text) => (text ?? "") !== "")}
      />
      {error !== null && <Failure error={error} again={() => setRound((r) => r + 1)} />}
      {found === null && error === null && <Loading what="traces" />}
      {found !== null && found.found === 0 && !found.is_cut && <Nothing />}
      {found !== null && found.found > 0 && (
        <div class="traces-body">
          <Facets found={found} />
          <div class="traces-found">
            <Scatter
              points={found.points}
              from={from}
              to={to}
              narrow={(a, b, low, high) => {
                zoomTo(a, b);
                set(
                  {
                    min: nsText(low * 1e6)
                      .replace(/\s/, "")
                      .replace("min", "m"),
                    max: nsText(high * 1e6)
                      .replace(/\s/, "")
                      .replace("min", "m"),
                  },
                  "push",
                );
              }}
            />
            <p class="muted" aria-live="polite">
              {formatCount(found.found)} {found.found === 1 ? "trace" : "traces"}
              {found.is_cut &&
                ", and more that were not looked at: ask for a shorter time or for something narrower"}
              {found.stats.damaged.length > 0 && `; a part of the data is damaged: ${found.stats.damaged[0]}`}
            </p>
            <Sampled found={found} />
            <TraceList list={found.traces} />
            <p class="row">
              {begin > 0 && (
                <button type="button" class="button" onClick={() => set({ skip: "" }, "push")}>
                  To the first
                </button>
              )}
              {found.next !== null && (
                <button
                  type="button"
                  class="button"
                  onClick={() => set({ skip: String(found.next) }, "push")}
                >
                  More
                </button>
              )}
            </p>
          </div>
        </div>
      )}
    </>
  );
}
