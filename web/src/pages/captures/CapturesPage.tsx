/**
 * Captures: the last minutes of everything, as they were when something broke. What the ring holds now, which captures there
 * are, and one of them opened. Must never hold what is chosen anywhere but in the address.
 */
import { useState } from "preact/hooks";
import { type Capture, type Captures, captures } from "../../api/captures";
import { serverNow } from "../../api/client";
import { agoText, isoText, momentText, spanText, zoneOf } from "../../format/time";
import { formatCount, formatValue } from "../../format/units";
import { go, say, view } from "../../state/app";
import { toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { Failure, Loading, Notice, StaleLine } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { rememberedName } from "../../ui/send";
import { StateShape } from "../../ui/state";
import { Agents } from "./Agents";
import { Viewer } from "./Viewer";
import { causeWords } from "./words";

const EVERY_MS = 5000;

const urlOf = (id: string): string => toUrl({ ...view.value, own: { capture: id } });

function shape(capture: Capture): { state: string; says: string } {
  if (capture.problem) return { state: "bad", says: "damaged" };
  if (capture.pinned !== null) return { state: "fine", says: "pinned" };
  return capture.after ? { state: "fine", says: "whole" } : { state: "silent", says: "being added to" };
}

function Row({ capture }: { capture: Capture }) {
  const { state, says } = shape(capture);
  const at = capture.before?.trigger_ms;
  const instance = capture.before?.causes[0]?.labels?.instance ?? "";
  return (
    <tr>
      <th scope="row">
        <StateShape state={state} word={false} />{" "}
        <a href={urlOf(capture.id)}>
          {at === undefined ? capture.id : `${momentText(at, serverNow())} ${zoneOf(at)}`}
        </a>
        <span class="muted"> {at !== undefined && agoText(at, serverNow())}</span>
      </th>
      <td data-label="why">
        {capture.problem ?? causeWords(capture.before?.causes[0])}
        {instance !== "" && instance !== capture.before?.host && <span class="muted"> {instance}</span>}
      </td>
      <td data-label="where">{capture.before?.host}</td>
      <td class="number" data-label="size">
        {formatValue(capture.bytes, "bytes")}
      </td>
      <td data-label="state">{capture.pinned ? `pinned: ${capture.pinned}` : says}</td>
    </tr>
  );
}

function Ring({ data }: { data: Captures }) {
  const told = data.ring.filter((r) => r.problem !== "" || r.refused + r.dropped_early > 0);
  const named = (r: Captures["ring"][number]): string => (r.class === "kernel" ? "kernel messages" : r.class);
  const rows = data.ring.map((r) => `${formatCount(r.rows)} ${named(r)}`).join(", ");
  const memory = data.ring.reduce((sum, r) => sum + r.memory_bytes, 0);
  const since = Math.min(...data.ring.map((r) => r.since_ms ?? Number.POSITIVE_INFINITY));
  if (!data.is_recording) return null;
  return (
    <details class="capture-ring">
      <summary>
        The ring holds{" "}
        {Number.isFinite(since) ? `the last ${spanText((data.now_ms - since) / 1000)}` : "nothing yet"}:{" "}
        {rows}. {formatValue(memory, "bytes")} of memory.
        {told.length > 0 &&
          ` ${told.length === 1 ? "One class is" : `${told.length} classes are`} not whole.`}
      </summary>
      <div class="room-scroll">
        <table class="table" aria-label="The ring">
          <Columns names={["Class", "Rows", "Memory", "Every", "Lost", "Cannot be read"]} />
          <tbody>
            {data.ring.map((r) => (
              <tr key={r.class}>
                <th scope="row">{r.class}</th>
                <td class="number">{formatCount(r.rows)}</td>
                <td class="number">
                  {formatValue(r.memory_bytes, "bytes")} of {formatValue(r.budget_bytes, "bytes")}
                </td>
                <td class="number">{r.period_seconds} s</td>
                <td class="number">{formatCount(r.refused + r.dropped_early)}</td>
                <td>{r.problem}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function CapturesPage() {
  const { data, error, at, again } = usePoll((signal) => captures.list(signal), EVERY_MS);
  const [taking, setTaking] = useState(false);
  const id = view.value.own.capture ?? "";
  const chosen = data?.captures.find((c) => c.id === id);
  const take = async (): Promise<void> => {
    setTaking(true);
    try {
      const taken = await captures.take(rememberedName());
      again();
      go({ own: { capture: taken.id } }, "push");
      say(
        taken.is_joined
          ? "Joined the capture of a moment ago."
          : `Captured: durable after ${taken.took_ms} ms.`,
      );
    } catch (e) {
      say(e instanceof Error ? e.message : String(e));
    } finally {
      setTaking(false);
    }
  };
  return (
    <main class="page page-wide">
      <div class="capture-head">
        <h1>Captures</h1>
        {data?.is_recording && data.opened === null && (
          <button type="button" class="button" disabled={taking} onClick={() => void take()}>
            {taking ? "Capturing" : "Capture now"}
          </button>
        )}
      </div>
      {data !== null && id === "" && (
        <p class="muted">
          The last {spanText(data.before_ms / 1000)} of everything, and the {spanText(data.after_ms / 1000)}{" "}
          after: taken when a monitor begins to fire, or by the button. A capture never changes. The oldest go
          after {spanText(data.age_max_ms / 1000)} or beyond {formatValue(data.bytes_max, "bytes")}; pinned
          ones stay.
        </p>
      )}
      {error !== null && data === null && <Failure error={error} again={again} />}
      {error !== null && data !== null && <StaleLine error={error} since={agoText(at, serverNow())} />}
      {data === null && error === null && <Loading what="captures" />}
      {data !== null && id === "" && <Ring data={data} />}
      {data !== null && id === "" && <Agents />}
      {data !== null && id !== "" && (
        <p class="capture-back">
          <a href={toUrl({ ...view.value, own: {} })}>All captures</a>
        </p>
      )}
      {data !== null && id !== "" && !chosen && (
        <Notice title="There is no such capture.">
          <p>It was removed, or it is on another machine.</p>
        </Notice>
      )}
      {data !== null && chosen && (
        <Viewer
          key={chosen.id}
          capture={chosen}
          others={data.captures.filter((c) => c.id !== id)}
          changed={again}
        />
      )}
      {data !== null && id === "" && data.captures.length === 0 && (
        <Notice title="Nothing was captured yet.">
          <p>
            When a monitor begins to fire, what the machine did in the minutes before is kept here: every
            process, every connection, the kernel's messages, all samples, records and spans.
          </p>
        </Notice>
      )}
      {data !== null && id === "" && data.captures.length > 0 && (
        <div class="room-scroll">
          <table class="table captures" aria-label="Captures">
            <Columns names={["When", "Why", "Where", "Size", "State"]} />
            <tbody>
              {data.captures.map((c) => (
                <Row key={c.id} capture={c} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen?.before && <p class="muted">Taken {isoText(chosen.before.trigger_ms)}</p>}
    </main>
  );
}
