/**
 * Changes by time: what somebody said, and what was found out. Must never hold what is chosen anywhere but in the address.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort, serverNow } from "../../api/client";
import { type Change, type Changes, changes } from "../../api/traces";
import { clockTime, isoText, zoneOf } from "../../format/time";
import { go, span, view } from "../../state/app";
import { toUrl } from "../../state/url";
import { Failure, Loading, Notice } from "../../ui/notice";
import { Detail } from "./Detail";
import { Form } from "./Form";
import { byDay } from "./list";

const own = (name: string): string => view.value.own[name] ?? "";

function set(change: Record<string, string>, how: "push" | "replace" = "push"): void {
  const next = Object.entries({ ...view.value.own, ...change }).filter(([, v]) => v !== "");
  go({ own: Object.fromEntries(next) }, how);
}

function Row({ change, chosen }: { change: Change; chosen: boolean }) {
  const url = toUrl({ ...view.value, own: { ...view.value.own, change: change.id, form: "" } });
  const about = [change.service, change.host && `on ${change.host}`, change.author && `by ${change.author}`];
  const outcome = change.attributes.outcome;
  return (
    <li>
      <a class="change" href={url} aria-current={chosen ? "true" : undefined}>
        <time title={isoText(change.time_ms)}>{clockTime(change.time_ms)}</time>
        <span>
          <span class="chip">{change.kind || "other"}</span>
        </span>
        <span class="change-title">
          {change.title}
          {outcome && (
            <span class={`chip ${["worked", "mitigated", "over"].includes(outcome) ? "" : "chip-bad"}`}>
              {outcome}
            </span>
          )}
        </span>
        <span class="change-about">{about.filter(Boolean).join(" ")}</span>
      </a>
    </li>
  );
}

function Filter({ name, title, list }: { name: string; title: string; list: readonly string[] }) {
  return (
    <label class="entry">
      <span>{title}</span>
      <select value={own(name)} onChange={(e) => set({ [name]: e.currentTarget.value, change: "" })}>
        <option value="">any</option>
        {[...new Set([...list, own(name)])]
          .filter(Boolean)
          .sort()
          .map((value) => (
            <option key={value} value={value}>
              {value}
            </option>
          ))}
      </select>
    </label>
  );
}

function Empty({ detecting }: { detecting: boolean }) {
  return (
    <Notice title="No change is known in this time.">
      <p>
        Tell one here, from a script with{" "}
        <code>midwatch change "deployed api 1.42" --service api --kind deploy</code>, or by{" "}
        <code>POST /api/v1/changes</code>.{" "}
        {detecting
          ? "Programs that are replaced or restarted, packages, listed files, the kernel and the clock are found out by themselves."
          : "Finding changes out by itself is switched off."}
      </p>
    </Notice>
  );
}

export function ChangesPage() {
  const [known, setKnown] = useState<Changes | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const { from, to } = span.value;
  const [kind, service, host] = ["kind", "service", "host"].map(own);
  useEffect(() => {
    const stop = new AbortController();
    changes
      .list({ from, to, kind, service, host }, stop.signal)
      .then((data) => {
        setKnown(data);
        setError(null);
      })
      .catch((e) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [from, to, kind, service, host, round]);
  const again = (): void => setRound((r) => r + 1);
  const list = known?.changes ?? [];
  const chosen = list.find((c) => c.id === own("change"));
  const form = own("form") !== "" && known !== null;
  const leave = (): void => set({ change: "", form: "" });
  return (
    <main class="page page-wide" onKeyDown={(e) => e.key === "Escape" && own("change") !== "" && leave()}>
      <div class="changes-head">
        <h1>Changes</h1>
        <Filter name="kind" title="Kind" list={known?.kinds ?? []} />
        <Filter name="service" title="Service" list={list.map((c) => c.service)} />
        <Filter name="host" title="Host" list={list.map((c) => c.host)} />
        <button type="button" class="button" onClick={() => set({ form: "new", change: "" })}>
          Record a change
        </button>
      </div>
      {error !== null && <Failure error={error} again={again} />}
      {known === null && error === null && <Loading what="changes" />}
      {known !== null && (
        <div class={`changes-body ${chosen || form ? "changes-body-two" : ""}`}>
          <div>
            {list.length === 0 && <Empty detecting={known.is_detecting} />}
            {byDay(list, serverNow()).map(({ day, changes: of }) => (
              <section key={day + of[0]!.id} aria-label={day}>
                <h2 class="changes-day">
                  {day} <span class="muted">{zoneOf(of[0]!.time_ms)}</span>
                </h2>
                <ol class="changes">
                  {of.map((c) => (
                    <Row key={c.id} change={c} chosen={c === chosen} />
                  ))}
                </ol>
              </section>
            ))}
            {known.is_cut && <p class="muted">There are more: choose a shorter time.</p>}
            {known.damaged.length > 0 && (
              <p class="muted">A part of the data is damaged: {known.damaged[0]}</p>
            )}
          </div>
          {form && (
            <Form
              known={known}
              leave={leave}
              done={(id) => {
                set({ form: "", change: id });
                again();
              }}
            />
          )}
          {!form && chosen && <Detail change={chosen} known={known} again={again} leave={leave} />}
        </div>
      )}
    </main>
  );
}
