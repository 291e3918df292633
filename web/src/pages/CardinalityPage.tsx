/**
 * Where series come from: by metric, label, value and source, now and a day ago, and which metrics nobody asks for. It
 * only shows: nothing here takes anything away. Must never show a guess as a number: what is not known is said.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api, serverNow } from "../api/client";
import type { Cardinality, CardinalityRow } from "../api/types";
import { agoText, clockTime, isoText, momentText, zoneOf } from "../format/time";
import { formatCount } from "../format/units";
import { go, view } from "../state/app";
import { defaults, toUrl, type ViewState } from "../state/url";
import { Failure, Loading, Notice, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { cardinalityFilter, drill, rowWords, TABS } from "./cardinality";

const EVERY_MS = 30_000;
const ROWS = 200;

const link = (change: Partial<ViewState>): string =>
  toUrl({ ...defaults("cardinality"), range: view.value.range, ...change });

function Growth({ row }: { row: CardinalityRow }) {
  const g = row.growth;
  if (g === null) return <span class="muted">not known yet</span>;
  if (g === 0) return <span class="muted">= none</span>;
  const percent = row.day_ago ? Math.round((100 * Math.abs(g)) / row.day_ago) : 0;
  const share = percent > 0 ? ` (${g > 0 ? "+" : "−"}${percent} %)` : "";
  return (
    <span class={g > 0 ? "grows" : "shrinks"}>
      {g > 0 ? "▲ +" : "▼ −"}
      {formatCount(Math.abs(g))}
      {row.day_ago === 0 ? " new" : row.series === 0 ? " gone" : share}
    </span>
  );
}

function Queried({ row, since }: { row: CardinalityRow; since: number }) {
  if (row.queried === undefined) return null;
  if (row.queried === 0 || !row.queried_ms)
    return <span class="muted">never since {momentText(since, serverNow())}</span>;
  return (
    <>
      {formatCount(row.queried)} ×, last{" "}
      <time title={isoText(row.queried_ms)}>{agoText(row.queried_ms, serverNow())}</time>
    </>
  );
}

function Row({ row, most, data }: { row: CardinalityRow; most: number; data: Cardinality }) {
  const s = view.value;
  const to = drill(s.by, row.name, s.match);
  return (
    <tr>
      <th scope="row">
        <a class="drill" href={link({ by: to.by, match: to.match })} title={`Its ${rowWords(to.by)}`}>
          {row.name || "(none)"}
        </a>
      </th>
      <td data-label="series" class="number">
        <meter min={0} max={most} value={row.series} aria-hidden="true" />
        {formatCount(row.series)}
      </td>
      <td data-label="since a day ago">
        <Growth row={row} />
      </td>
      {row.values !== undefined && (
        <td data-label="values" class="number">
          {formatCount(row.values)}
        </td>
      )}
      {row.queried !== undefined && (
        <td data-label="queried">
          <Queried row={row} since={data.queried_since_ms} />
        </td>
      )}
      <td data-label="">
        {to.look !== "" && (
          <a
            href={toUrl({ ...defaults("look"), range: s.range, match: to.look })}
            title="Look at these series"
          >
            look
          </a>
        )}
      </td>
    </tr>
  );
}

function Head({ by, title, children }: { by: string; title: string; children: ComponentChildren }) {
  const on = view.value.sort === by || (view.value.sort === "" && by === "series");
  return (
    <th scope="col" aria-sort={on ? "descending" : undefined}>
      <button
        type="button"
        class="sort"
        title={title}
        onClick={() => go({ sort: by === "series" ? "" : by })}
      >
        {children}
        {on && " ▾"}
      </button>
    </th>
  );
}

function Table({ data }: { data: Cardinality }) {
  const first = data.rows[0];
  if (!first) {
    return view.value.q !== "" ? (
      <Notice title="Nothing fits these letters.">
        <button type="button" class="button" onClick={() => go({ q: "" })}>
          Show all
        </button>
      </Notice>
    ) : (
      <Notice title="There is no series here in the last hour, and there was none a day ago." />
    );
  }
  const most = Math.max(1, ...data.rows.map((r) => r.series));
  return (
    <>
      <table class="table dense" aria-label="Where series come from">
        <thead>
          <tr>
            <Head by="name" title="In order of names">
              {rowWords(view.value.by).replace(/s$/, "")}
            </Head>
            <Head by="series" title="Most series first">
              series
            </Head>
            <Head by="growth" title="Most changed first">
              since a day ago
            </Head>
            {first.values !== undefined && (
              <Head by="values" title="Most values first">
                values
              </Head>
            )}
            {first.queried !== undefined && (
              <Head by="queried" title="Never queried first, the largest of them at the top">
                queried
              </Head>
            )}
            <th scope="col">
              <span class="sr">in Look</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {data.rows.map((row) => (
            <Row key={row.name} row={row} most={most} data={data} />
          ))}
        </tbody>
      </table>
      {data.found > data.rows.length && (
        <p class="muted">
          {formatCount(data.found - data.rows.length)} more: type a part of the name above, or sort otherwise.
        </p>
      )}
      {data.cut && <p class="muted">There are more than a million of these: the rest was not counted.</p>}
    </>
  );
}

function Total({ data }: { data: Cardinality }) {
  return (
    <p>
      <strong>{formatCount(data.series)}</strong> series had samples in the last hour
      {data.day_ago === null ? (
        "; how many there were a day ago is not known yet: nothing is kept from then."
      ) : (
        <>
          , {formatCount(data.day_ago)} in the same hour a day ago (
          <Growth
            row={{
              name: "",
              series: data.series,
              day_ago: data.day_ago,
              growth: data.series - data.day_ago,
            }}
          />
          ).
        </>
      )}
    </p>
  );
}

/** One question: made anew (by its key) when what is asked changes. */
function Answer() {
  const s = view.value;
  const { data, error, at, again } = usePoll(
    (signal) => api.cardinality({ by: s.by, match: s.match, sort: s.sort, filter: s.q, limit: ROWS }, signal),
    EVERY_MS,
  );
  if (data === null) {
    return error === null ? <Loading what="counts" /> : <Failure error={error} again={again} />;
  }
  return (
    <div class={error === null ? "" : "is-stale"}>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      {data.warnings.map((w) => (
        <p key={w} class="stale">
          A part could not be read, and is not counted: {w}
        </p>
      ))}
      <Total data={data} />
      <Table data={data} />
    </div>
  );
}

export function CardinalityPage() {
  const s = view.value;
  // What is asked follows the letters a moment later.
  const [typed, setTyped] = useState(s.q);
  useEffect(() => setTyped(s.q), [s.q]);
  useEffect(() => {
    const timer = setTimeout(() => typed !== view.value.q && go({ q: typed }), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const label = s.by.startsWith("value:") ? s.by.slice(6) : "";
  return (
    <main class="page">
      <h1>Cardinality</h1>
      <p class="row">
        {TABS.map((t) => (
          <a
            key={t.by}
            class="button"
            href={link({ by: t.by, match: s.match })}
            aria-current={s.by === t.by ? "true" : undefined}
          >
            {t.title}
          </a>
        ))}
        <input
          class="field"
          type="search"
          value={typed}
          ref={(box) => {
            cardinalityFilter.value = box;
          }}
          placeholder="part of a name"
          aria-label="Only names with these letters"
          onInput={(e) => setTyped(e.currentTarget.value)}
        />
      </p>
      {(s.match !== "" || label !== "") && (
        <p class="row">
          {label !== "" && (
            <span class="chip chip-strong">
              values of <code>{label}</code>
            </span>
          )}
          {s.match !== "" && (
            <span class="chip">
              <code>{s.match}</code>
              <button
                type="button"
                aria-label="Count all series"
                onClick={() => go({ match: "", by: "metric" })}
              >
                ✕
              </button>
            </span>
          )}
        </p>
      )}
      <Answer key={`${s.by}\n${s.match}\n${s.sort}\n${s.q}`} />
    </main>
  );
}
