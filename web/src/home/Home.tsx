/**
 * The first page: is everything that I care about fine? One line, what is not fine in full, and a row of tiles for each
 * thing that was found. Must never judge: the server does, and says why.
 */
import { useEffect, useState } from "preact/hooks";
import { api } from "../api/client";
import type { Home as HomeData, HomeTile, Subject } from "../api/types";
import { clockTime, isoText, zoneOf } from "../format/time";
import { formatCount } from "../format/units";
import { view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { KindIcon } from "../ui/kinds";
import { Failure, Loading, Notice, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { conditionWord, StateShape } from "../ui/state";
import { type Concern, columnsOf, concerns, inShort, valueParts } from "./words";

const EVERY_MS = 5000;
/** A fresh Midwatch has something to show within a second or two. */
const FIRST_MS = 1000;
const CONCERNS_SHOWN = 9;
const SILENT_SHOWN = 12;

/** Where a tile leads: to its monitor, or to Look, filtered to what it was judged by. */
function lookUrl(link: HomeTile["link"] | undefined): string {
  if (link?.slo !== undefined) return toUrl({ ...defaults("slos"), own: { slo: link.slo } });
  if (link?.monitor !== undefined) {
    const own: Record<string, string> = link.monitor === "" ? {} : { monitor: link.monitor };
    return toUrl({ ...defaults("monitors"), own });
  }
  return toUrl({ ...defaults("look"), range: view.value.range, q: link?.q ?? "", match: link?.match ?? "" });
}

function Value({ text }: { text: string }) {
  const [number, rest] = valueParts(text || "–");
  return (
    <span class="tile-value">
      {number}
      {rest !== "" && <span class="tile-rest"> {rest}</span>}
    </span>
  );
}

function TileLink({ tile }: { tile: HomeTile }) {
  return (
    <a class={`tile tile-${tile.state}`} href={lookUrl(tile.link)}>
      <span class="tile-head">
        <StateShape state={tile.state} />
        <span class="tile-title">{tile.title}</span>
      </span>
      <Value text={tile.value} />
      {tile.detail !== "" && <span class="tile-detail tile-detail-late">{tile.detail}</span>}
    </a>
  );
}

/** What says nothing any more: one line for all, since each says the same. */
function Silent({ all }: { all: Concern[] }) {
  if (all.length === 0) return null;
  return (
    <p class="silent">
      <StateShape state="silent" word={false} />
      Silent:{" "}
      {all.slice(0, SILENT_SHOWN).map(({ subject, tile }, i) => (
        <span key={`${subject.id} ${tile.id}`}>
          {i > 0 && ", "}
          <a href={lookUrl(tile.link)} title={tile.detail}>
            {subject.title}
          </a>{" "}
          <span class="muted">
            {tile.title.toLowerCase() === "no data" ? "" : `${tile.title}: `}
            {tile.value}
          </span>
        </span>
      ))}
      {all.length > SILENT_SHOWN && ` and ${formatCount(all.length - SILENT_SHOWN)} more, marked below`}.
    </p>
  );
}

/** What is bad or worth a look, in full, before everything else. */
function Concerns({ all }: { all: Concern[] }) {
  if (all.length === 0) return null;
  const more = all.length - CONCERNS_SHOWN;
  return (
    <section class="concerns" aria-label="What is not fine">
      {all.slice(0, CONCERNS_SHOWN).map(({ subject, tile }) => (
        <a
          key={`${subject.id} ${tile.id}`}
          class={`tile concern tile-${tile.state}`}
          href={lookUrl(tile.link)}
        >
          <span class="tile-head">
            <StateShape state={tile.state} />
            <span class="tile-title">{tile.title}</span>
            <span class="concern-subject">
              <KindIcon kind={subject.kind} />
              {subject.title}
            </span>
          </span>
          <Value text={tile.value} />
          <span class="tile-detail">{tile.detail}</span>
        </a>
      ))}
      {more > 0 && <p class="muted">and {more} more, marked below</p>}
    </section>
  );
}

function SubjectRow({ subject }: { subject: Subject }) {
  return (
    <section
      class={`subject subject-${columnsOf(subject)}`}
      aria-label={`${subject.title}: ${conditionWord(subject.state)}`}
    >
      <h2 class="subject-head">
        <StateShape state={subject.state} />
        <KindIcon kind={subject.kind} />
        <span class="subject-title">{subject.title}</span>
        {subject.title.toLowerCase() !== subject.kind && <span class="subject-kind">{subject.kind}</span>}
      </h2>
      <div class="tiles">
        {subject.tiles.map((tile) => (
          <TileLink key={tile.id} tile={tile} />
        ))}
        {subject.tiles.length === 0 && <p class="muted">Nothing is judged here yet.</p>}
      </div>
    </section>
  );
}

/** How much was judged, and when: a calm page must not be an old one. */
function Judged({ data }: { data: HomeData }) {
  const checks = data.subjects.reduce((n, s) => n + s.tiles.length, 0);
  const things = data.subjects.length;
  if (checks === 0) return null;
  return (
    <p class="judged">
      {formatCount(checks)} {checks === 1 ? "check" : "checks"} of {formatCount(things)}{" "}
      {things === 1 ? "thing" : "things"}, as of{" "}
      <time title={isoText(data.now_ms)}>
        {clockTime(data.now_ms)} {zoneOf(data.now_ms)}
      </time>
    </p>
  );
}

export function Home() {
  const [empty, setEmpty] = useState(true);
  const { data, error, at, again } = usePoll((signal) => api.home(signal), empty ? FIRST_MS : EVERY_MS);
  const nothing = data === null || data.subjects.length === 0;
  useEffect(() => setEmpty(nothing), [nothing]);
  const headline = data?.headline;
  useEffect(() => {
    if (headline) document.title = `${headline} – Midwatch`;
  }, [headline]);
  if (data === null) {
    return (
      <main class="page">
        {error === null ? <Loading what="the state of things" /> : <Failure error={error} again={again} />}
      </main>
    );
  }
  const all = concerns(data.subjects);
  return (
    <main class={`page home ${error === null ? "" : "is-stale"}`}>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      <h1 class={`headline headline-${data.state}`}>
        <StateShape state={data.state} />
        {inShort(data.headline, all.length)}
      </h1>
      <Judged data={data} />
      <Concerns all={all.filter((c) => c.tile.state !== "silent")} />
      <Silent all={all.filter((c) => c.tile.state === "silent")} />
      <div class="subjects">
        {data.subjects.map((s) => (
          <SubjectRow key={s.id} subject={s} />
        ))}
      </div>
      {nothing && (
        <Notice title="If this stays so">
          <p>
            This machine's own numbers come within a second or two, unless Midwatch was started with{" "}
            <code>--no-host</code>. <a href="/targets">Targets</a> says which services were found or refused,
            and how to send samples; <a href="/midwatch">Midwatch</a> says whether the disk takes them.
          </p>
        </Notice>
      )}
    </main>
  );
}
