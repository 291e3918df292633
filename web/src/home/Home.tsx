/**
 * The first page: is everything that I care about fine? One line and one row of tiles for each thing that was found.
 * Must never judge: the server does, and says why.
 */
import { useEffect } from "preact/hooks";
import { api } from "../api/client";
import type { HomeTile, Subject } from "../api/types";
import { clockTime, zoneOf } from "../format/time";
import { view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { KindIcon } from "../ui/kinds";
import { Failure, Loading, Notice, StaleLine } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { conditionWord, StateShape } from "../ui/state";

const EVERY_MS = 5000;

/** Where a tile leads: Look, filtered to what it was judged by. */
function lookUrl(link: HomeTile["link"] | undefined): string {
  return toUrl({ ...defaults("look"), range: view.value.range, q: link?.q ?? "", match: link?.match ?? "" });
}

function TileLink({ tile }: { tile: HomeTile }) {
  const calm = tile.state === "fine";
  return (
    <a class={`tile tile-${tile.state}`} href={lookUrl(tile.link)}>
      <span class="tile-head">
        <StateShape state={tile.state} />
        <span class="tile-title">{tile.title}</span>
      </span>
      <span class="tile-value">{tile.value || "–"}</span>
      {tile.detail !== "" && (
        <span class={calm ? "tile-detail tile-detail-late" : "tile-detail"}>{tile.detail}</span>
      )}
    </a>
  );
}

function SubjectRow({ subject }: { subject: Subject }) {
  return (
    <section class="subject" aria-label={`${subject.title}: ${conditionWord(subject.state)}`}>
      <h2 class="subject-head">
        <StateShape state={subject.state} />
        <KindIcon kind={subject.kind} />
        <span class="subject-title">{subject.title}</span>
        <span class="subject-kind">{subject.kind}</span>
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

export function Home() {
  const { data, error, at, again } = usePoll((signal) => api.home(signal), EVERY_MS);
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
  return (
    <main class={`page home ${error === null ? "" : "is-stale"}`}>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      <h1 class={`headline headline-${data.state}`}>
        <StateShape state={data.state} />
        {data.headline}
      </h1>
      {data.subjects.map((s) => (
        <SubjectRow key={s.id} subject={s} />
      ))}
      {data.subjects.length === 0 && (
        <Notice title="Nothing has been recorded yet.">
          <p>
            The first samples of this machine come within a second or two. If this stays empty, see{" "}
            <a href="/midwatch">what Midwatch itself does</a>.
          </p>
        </Notice>
      )}
    </main>
  );
}
