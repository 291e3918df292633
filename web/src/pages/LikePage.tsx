/**
 * Lines like one: every series with the same shape in the shown time, the nearest first, each with how much earlier or later it is.
 * It must never say that one has to do with the other.
 */

import { serverNow } from "../api/client";
import { type Alike, type AlikeSeries, lookApi, type NamedSeries } from "../api/look";
import { formatCount, formatValue } from "../format/units";
import { go, span, view } from "../state/app";
import { rangeText } from "../state/range";
import { selectorOf } from "../state/selector";
import { defaults, toUrl } from "../state/url";
import { Notice } from "../ui/notice";
import { Asking, useAsking } from "./asking";
import { Narrowed, Whose } from "./Narrowed";
import { Picture } from "./Picture";

const selector = (one: NamedSeries): string => selectorOf(one.labels.__name__ ?? "", one.labels);

function Words({ one, opens }: { one: NamedSeries; opens: string[] }) {
  const range = view.value.range;
  const more = Object.entries(one.labels).filter(([name]) => !["__name__", "instance", "job"].includes(name));
  return (
    <>
      <a
        href={toUrl({ ...defaults("look"), range, open: opens })}
        class="moved-title"
        title={`${selector(one)}: both in one chart`}
      >
        {one.title}
      </a>{" "}
      <Whose entity={one.entity} />
      {more.length > 0 && (
        <div class="muted moved-labels">{more.map(([name, value]) => `${name}=${value}`).join("  ")}</div>
      )}
    </>
  );
}

function Line({ one, like, stepS }: { one: AlikeSeries; like: NamedSeries; stepS: number }) {
  return (
    <li class="moved">
      <span class="moved-when" title="How much earlier or later it is">
        {one.lag_s === 0
          ? "same time"
          : `${one.lag_s > 0 ? "+" : "−"}${formatValue(Math.abs(one.lag_s), "s")}`}
      </span>
      <Picture values={one.picture} unit={one.unit} stepS={stepS} />
      <div class="moved-words">
        <Words one={one} opens={[selector(like), selector(one)]} />
        <div>
          {one.sentence}
          <a
            class="moved-like"
            href={toUrl({ ...defaults("compare"), range: view.value.range, own: { like: selector(one) } })}
          >
            Lines like this
          </a>
        </div>
      </div>
      <span class="moved-score" title="Correlation at that lag: 1 is the same shape, −1 the same upside down">
        {one.correlation.toFixed(2)}
      </span>
    </li>
  );
}

function Answer({ data, isWhole }: { data: Alike; isWhole: boolean }) {
  const stepS = (data.window[1] - data.window[0]) / Math.max(data.like.picture.length, 1);
  return (
    <>
      <section class="moved-group" aria-label="The line">
        <ol class="moved-list">
          <li class="moved">
            <span class="moved-when">this line</span>
            <Picture values={data.like.picture} unit={data.like.unit} stepS={stepS} />
            <div class="moved-words">
              <Words one={data.like} opens={[selector(data.like)]} />
            </div>
          </li>
        </ol>
      </section>
      <p>
        <strong>{formatCount(data.alike_total)}</strong> of {formatCount(data.compared)} series are alike;{" "}
        {formatCount(data.still)} never move or have too few samples.
        {data.elapsed_ms !== undefined && ` Compared in ${formatValue(data.elapsed_ms / 1000, "s")}.`}{" "}
        <span class="muted">
          The number on the right is the correlation: 1 is the same shape, −1 the same upside down. The same
          shape is no sign that one has to do with the other. Lags are known to about{" "}
          {formatValue(data.point_s, "s")}.
        </span>
      </p>
      {data.warnings.map((w) => (
        <p key={w} class="stale" role="alert">
          {w}
        </p>
      ))}
      {isWhole && data.alike.length === 0 && (
        <Notice title="No other line is like it.">
          <p>Take a longer time, or one in which the line does something that is all its own.</p>
        </Notice>
      )}
      {data.alike.length > 0 && (
        <section class="moved-group" aria-label="Lines like it">
          <ol class="moved-list">
            {data.alike.map((one) => (
              <Line key={selector(one)} one={one} like={data.like} stepS={stepS} />
            ))}
          </ol>
        </section>
      )}
      {isWhole && data.alike_total > data.alike.length && (
        <p class="muted">{formatCount(data.alike_total - data.alike.length)} more are less alike.</p>
      )}
    </>
  );
}

export function LikePage() {
  const v = view.value;
  const range = span.value;
  const series = v.own.like ?? "";
  const asked = useAsking<Alike>(JSON.stringify([v.range, series, v.match]), (signal, watching) =>
    lookApi.like(
      { series, start: range.from / 1000, end: range.to / 1000, match: v.match },
      signal,
      watching,
    ),
  );
  const { data } = asked;
  return (
    <main class="page compare">
      <h1>Lines like this one</h1>
      <p class="row">
        <span class="muted">{rangeText({ kind: "fixed", ...range }, serverNow())}, over every series</span>
        <button type="button" class="button" onClick={() => go({ own: {} }, "push")}>
          What moved
        </button>
        <Narrowed />
      </p>
      <Asking asked={asked} what={`every series, to find those like ${series}`} />
      {data !== null && <Answer key={asked.key} data={data} isWhole={asked.isWhole} />}
    </main>
  );
}
