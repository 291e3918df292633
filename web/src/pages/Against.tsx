/**
 * What a time is compared with, as a row of choices: earlier times, other hosts, good periods that somebody named. Must never choose
 * by itself.
 */
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/client";
import { lookApi, type Period } from "../api/look";
import { clockTime } from "../format/time";
import { go, say, view } from "../state/app";
import { rangeText, type Span } from "../state/range";
import { AGAINST, OTHER_HOSTS, ownAgainst } from "./compare";
import { Narrowed } from "./Narrowed";

/** The names of good periods, and a way to know them anew. */
function usePeriods(): {
  periods: Period[];
  keep: (answer: Promise<{ periods: Period[] }>) => Promise<boolean>;
} {
  const [periods, setPeriods] = useState<Period[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    // Without them the page is as good as before.
    lookApi
      .periods(stop.signal)
      .then((answer) => setPeriods(answer.periods))
      .catch(() => undefined);
    return () => stop.abort();
  }, []);
  const keep = async (answer: Promise<{ periods: Period[] }>): Promise<boolean> => {
    try {
      setPeriods((await answer).periods);
      return true;
    } catch (e) {
      say(e instanceof Error ? e.message : String(e));
      return false;
    }
  };
  return { periods, keep };
}

function choose(against: string): void {
  go({ own: ownAgainst(view.value.own, against) });
}

/** Gives the shown time a name. */
function Name({ shown, done }: { shown: Span; done: (name: string) => void }) {
  const [name, setName] = useState("");
  return (
    <form
      class="row against-name"
      onSubmit={(e) => {
        e.preventDefault();
        if (name.trim() !== "") done(name.trim());
      }}
    >
      <label>
        Name of {clockTime(shown.from)} to {clockTime(shown.to)}{" "}
        <input
          type="text"
          class="field"
          value={name}
          maxLength={100}
          placeholder="calm monday"
          ref={(input) => input?.focus()}
          onInput={(e) => setName(e.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button" disabled={name.trim() === ""}>
        Keep
      </button>
    </form>
  );
}

export function Against(props: { shown: Span; hosts: boolean; children?: preact.ComponentChildren }) {
  const { shown } = props;
  const v = view.value;
  const { periods, keep } = usePeriods();
  const [naming, setNaming] = useState(false);
  const known = v.own.against ?? "";
  const choices = props.hosts ? [...AGAINST, OTHER_HOSTS] : AGAINST;
  const isPeriod = periods.some((p) => p.name === known);
  return (
    <>
      <p class="row">
        <span class="muted">{rangeText({ kind: "fixed", ...shown }, serverNow())}, against</span>
        {choices.map(({ against, title }) => (
          <button
            key={against}
            type="button"
            class="button"
            aria-pressed={known === against}
            onClick={() => choose(against)}
          >
            {title}
          </button>
        ))}
        {periods.length > 0 && (
          <select
            class="field"
            aria-label="A good period"
            value={isPeriod ? known : ""}
            onChange={(e) => choose(e.currentTarget.value)}
          >
            <option value="">a good period …</option>
            {periods.map((p) => (
              <option key={p.name} value={p.name}>
                {p.name}
              </option>
            ))}
          </select>
        )}
        {isPeriod && (
          <button
            type="button"
            class="button"
            onClick={() => {
              void keep(lookApi.forgetPeriod(known));
              choose("");
            }}
          >
            Forget it
          </button>
        )}
        <button
          type="button"
          class="button"
          aria-expanded={naming}
          title="Give the shown time a name, to compare with it later"
          onClick={() => setNaming(!naming)}
        >
          Keep as good
        </button>
        {props.children}
        <Narrowed />
      </p>
      {naming && (
        <Name
          shown={shown}
          done={async (name) => {
            const period = { name, start: shown.from / 1000, end: shown.to / 1000 };
            if (await keep(lookApi.keepPeriod(period))) {
              setNaming(false);
              say(`Kept as a good period: ${name}.`);
            }
          }}
        />
      )}
    </>
  );
}
