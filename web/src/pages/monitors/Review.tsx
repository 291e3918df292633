/**
 * The weekly review: for each monitor what became of it and a proposal with one click to take it; what was decided before; and trouble
 * that no monitor saw. Must never take a proposal by itself.
 */
import { useState } from "preact/hooks";
import { ApiError, serverNow } from "../../api/client";
import { type Decision, type Review, type Reviewed, review } from "../../api/review";
import { agoText, isoText, momentText, spanText, zoneOf } from "../../format/time";
import { formatCount } from "../../format/units";
import { say } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { Failure, Loading } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { rememberedName } from "../../ui/send";
import { StateShape } from "../../ui/state";

const EVERY_MS = 30_000;

const KINDS: Record<Reviewed["kind"], { word: string; shape: string }> = {
  always_red: { word: "always red", shape: "bad" },
  ignored: { word: "nobody acts on it", shape: "look" },
  flapping: { word: "comes and goes", shape: "look" },
  blind: { word: "sees nothing", shape: "silent" },
  useful: { word: "useful", shape: "fine" },
  quiet: { word: "quiet", shape: "fine" },
  new: { word: "new", shape: "silent" },
};

const urlOf = (id: string): string => toUrl({ ...defaults("monitors"), own: { monitor: id } });

async function act(what: () => Promise<unknown>, words: string, again: () => void): Promise<void> {
  try {
    await what();
    say(words);
  } catch (e) {
    say(e instanceof ApiError ? e.message : String(e));
  }
  again();
}

function Row({ m, again }: { m: Reviewed; again: () => void }) {
  const [sending, setSending] = useState(false);
  const kind = KINDS[m.kind] ?? KINDS.new;
  const c = m.four_weeks;
  return (
    <tr>
      <th scope="row">
        <StateShape state={kind.shape} word={false} /> <a href={urlOf(m.id)}>{m.name}</a>
        <div class="muted">
          {kind.word}
          {m.severity !== "" && `, ${m.severity}`}
        </div>
      </th>
      <td data-label="proposal">
        {m.says}
        {m.takes.length > 0 && (
          <span class="row review-takes">
            {m.takes.map((t) => (
              <button
                key={t.words}
                type="button"
                class="button"
                disabled={sending}
                onClick={() => {
                  setSending(true);
                  void act(
                    () => review.decide(m.id, t.take, rememberedName()),
                    `${t.words}: done. It can be taken back below.`,
                    again,
                  ).then(() => setSending(false));
                }}
              >
                {t.words}
              </button>
            ))}
          </span>
        )}
      </td>
      <td data-label="fired">{formatCount(c.fired)}</td>
      <td data-label="notified">{formatCount(c.notified)}</td>
      <td data-label="seen">{formatCount(c.seen)}</td>
      <td data-label="acted on">{formatCount(c.acted)}</td>
      <td data-label="incidents">{formatCount(c.incidents)}</td>
      <td data-label="red">{c.red_s > 0 ? spanText(c.red_s) : "–"}</td>
      <td data-label="flaps">{formatCount(c.flaps)}</td>
      <td data-label="last useful" class={m.useful_ms === null ? "none" : ""}>
        {m.useful_ms === null ? (
          "–"
        ) : (
          <time title={isoText(m.useful_ms)}>{agoText(m.useful_ms, serverNow())}</time>
        )}
      </td>
      <td data-label="changed" class={m.changed_ms === null ? "none" : ""}>
        {m.changed_ms === null ? (
          "–"
        ) : (
          <time title={isoText(m.changed_ms)}>{agoText(m.changed_ms, serverNow())}</time>
        )}
      </td>
    </tr>
  );
}

function decided(d: Decision): string {
  const parts = [
    ...(d.off ? ["turned off"] : []),
    ...(d.severity === null ? [] : [`severity ${d.severity}`]),
    ...(d.for_ms === null ? [] : [`waits ${spanText(d.for_ms / 1000)}`]),
  ];
  return parts.join(", ");
}

function Decisions({ data, again }: { data: Review; again: () => void }) {
  if (data.decisions.length === 0) return null;
  return (
    <section aria-label="What was decided">
      <h2>What was decided</h2>
      <ul class="silences">
        {data.decisions.map((d) => (
          <li key={d.id}>
            <strong>{d.name}</strong>: {decided(d)}
            {d.user !== "" && `, by ${d.user}`},{" "}
            <time title={isoText(d.at_ms)}>{agoText(d.at_ms, serverNow())}</time>
            {d.reason !== "" && `: ${d.reason}`}{" "}
            <button
              type="button"
              class="button"
              onClick={() =>
                void act(
                  () => review.undecide(d.id, rememberedName()),
                  "It is as its file has it again.",
                  again,
                )
              }
            >
              Take it back
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Unseen({ data }: { data: Review }) {
  return (
    <section aria-label="What no monitor saw">
      <h2>What no monitor saw</h2>
      {data.unseen === null ? (
        <p class="change-wrong">It could not be looked for: {data.unseen_problem}</p>
      ) : data.unseen.length === 0 ? (
        <p class="muted">
          In seven days no service had many failed requests without a monitor being red. Looked at were
          objectives, spans, and requests by HTTP status.
          {(data.unseen_incidents ?? []).length === 0 &&
            " No incident of four weeks was recorded that no monitor saw."}
        </p>
      ) : (
        <ul class="episodes">
          {data.unseen.map((t) => (
            <li key={`${t.service} ${t.from_ms}`}>
              <StateShape state="look" word={false} />{" "}
              <a
                href={toUrl({
                  ...defaults("compare"),
                  range: { kind: "fixed", from: t.from_ms - 300_000, to: t.to_ms + 300_000 },
                })}
              >
                {momentText(t.from_ms, serverNow())} {zoneOf(t.from_ms)}
              </a>
              , for {spanText((t.to_ms - t.from_ms) / 1000)}: {formatCount(Math.round(t.bad))} of{" "}
              {formatCount(Math.round(t.total))} requests of <strong>{t.service}</strong> went wrong
            </li>
          ))}
        </ul>
      )}
      {(data.unseen_incidents ?? []).length > 0 && (
        <ul class="episodes" aria-label="Incidents that no monitor saw">
          {data.unseen_incidents?.map((i) => (
            <li key={i.id}>
              <StateShape state="bad" word={false} /> incident of{" "}
              <a
                href={toUrl({
                  ...defaults("changes"),
                  range: { kind: "fixed", from: i.at_ms - 3_600_000, to: i.at_ms + 3_600_000 },
                  own: { change: i.id },
                })}
              >
                {momentText(i.at_ms, serverNow())} {zoneOf(i.at_ms)}
              </a>
              {i.service !== "" && (
                <>
                  {" "}
                  in <strong>{i.service}</strong>
                </>
              )}
              : {i.title}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function ReviewView() {
  const { data, error, again } = usePoll((signal) => review.read(signal), EVERY_MS);
  const [all, setAll] = useState(false);
  if (data === null) {
    return error === null ? <Loading what="the review" /> : <Failure error={error} again={again} />;
  }
  const open = data.monitors.filter((m) => all || !["quiet", "new", "useful"].includes(m.kind));
  const rest = data.monitors.length - open.length;
  return (
    <>
      <p class="slos-top">
        {open.filter((m) => m.takes.length > 0).length === 0
          ? "No monitor needs a decision."
          : `${formatCount(open.filter((m) => m.takes.length > 0).length)} monitors wait for a decision.`}
      </p>
      {open.length > 0 && (
        <table class="table review-table" aria-label="Review of monitors, four weeks">
          <Columns
            names={[
              "monitor",
              "proposal",
              "fired",
              "notified",
              "seen",
              "acted on",
              "incidents",
              "red",
              "flaps",
              "last useful",
              "changed",
            ]}
          />
          <tbody>
            {open.map((m) => (
              <Row key={m.id} m={m} again={again} />
            ))}
          </tbody>
        </table>
      )}
      {(rest > 0 || all) && (
        <p class="row">
          <button type="button" class="button" onClick={() => setAll(!all)}>
            {all ? "Only those that need a decision" : `Show ${formatCount(rest)} more that need none`}
          </button>
        </p>
      )}
      <p class="muted">
        Counted over four weeks. Acted on is what somebody took care of, had captured, or said so of, on the
        page of the monitor. Incidents are those that somebody recorded: there, or as a{" "}
        <a href={toUrl({ ...defaults("changes"), own: { kind: "incident" } })}>change of that kind</a>
        {data.incidents !== null && ` (${formatCount(data.incidents)} in four weeks)`}.
      </p>
      <Unseen data={data} />
      <Decisions data={data} again={again} />
    </>
  );
}
