/**
 * Who is on call now, who comes next, and standing in for somebody. Must never show how somebody is reached.
 */
import { useState } from "preact/hooks";
import { monitors, type Rota } from "../../api/monitors";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { usePoll } from "../../ui/poll";
import { errorText, rememberedName, rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

const EVERY_MS = 30_000;
const SHIFTS_SHOWN = 6;

function StandIn(props: { rota: Rota; people: string[]; done: () => void; leave: () => void }) {
  const { rota, people, done, leave } = props;
  const form = useSending();
  const send = form.submit(async (text) => {
    rememberName(text("user"));
    const time = (name: string): string | undefined => text(name).replace("T", " ") || undefined;
    const [person, user] = [text("person"), text("user")];
    await monitors.standIn({ rota: rota.name, person, from: time("from"), to: time("to"), user });
    say(`${person} stands in.`);
    done();
  });
  return (
    <form class="change-form" aria-label={`Stand in for ${rota.name}`} onSubmit={send}>
      <div class="two">
        <label class="entry">
          <span>Who stands in</span>
          <select name="person" required>
            {people.map((p) => (
              <option key={p} value={p}>
                {p}
              </option>
            ))}
          </select>
        </label>
        <WhoEntry name="user" title="Who says so" required />
        <Entry name="from" title={`From (${rota.time_zone}; empty: now)`} type="datetime-local" />
        <Entry name="to" title={`Until (${rota.time_zone})`} type="datetime-local" required />
      </div>
      <SendLine form={form} word="Stand in" leave={leave} />
    </form>
  );
}

export function OnCall() {
  const { data, again } = usePoll((signal) => monitors.onCall(signal), EVERY_MS);
  const [open, setOpen] = useState("");
  if (data === null || data.rotas.length === 0) return null;
  const end = async (id: string): Promise<void> => {
    await monitors.endStandIn(id, rememberedName()).catch((e: unknown) => say(errorText(e)));
    again();
  };
  return (
    <section aria-label="On call">
      <h2>On call</h2>
      {data.rotas.map((rota) => (
        <div key={rota.name} class="oncall">
          <p>
            <strong>{rota.now ?? "Nobody"}</strong> is on call for {rota.name}
            {rota.now === null && `, so everybody in it is told: ${rota.told_now.join(", ")}`}
            {rota.until !== null && `, until ${rota.until}`}
            {rota.next !== null && `; then ${rota.next}`} <span class="muted">({rota.time_zone})</span>{" "}
            <button type="button" class="button" onClick={() => setOpen(open === rota.name ? "" : rota.name)}>
              Stand in
            </button>
          </p>
          {open === rota.name && (
            <StandIn
              rota={rota}
              people={data.people}
              done={() => {
                setOpen("");
                again();
              }}
              leave={() => setOpen("")}
            />
          )}
          <ul class="oncall-shifts muted">
            {rota.shifts.slice(1, SHIFTS_SHOWN).map((s) => (
              <li key={s.from_ms}>
                {s.from} {s.person ?? "nobody"}
              </li>
            ))}
          </ul>
          {rota.overrides.map((o) => (
            <p key={o.id}>
              {o.person} stands in{" "}
              <button type="button" class="button" onClick={() => void end(o.id)}>
                End it
              </button>
            </p>
          ))}
        </div>
      ))}
    </section>
  );
}
