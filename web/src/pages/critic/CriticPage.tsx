/**
 * The operator speaks first: a box for a plan or a belief, and what speaks against it beside it. Must never hold what was asked
 * anywhere but in the address, so that a colleague gets the same with the link.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../../api/client";
import { type Critique, critic, type Rules } from "../../api/critic";
import { go, span, view } from "../../state/app";
import { Failure, Loading } from "../../ui/notice";
import { Answer } from "./Answer";
import { RuleList } from "./Rules";
import { ThumbForm } from "./Thumb";

const own = (name: string): string => view.value.own[name] ?? "";

function set(change: Record<string, string>): void {
  const next = Object.entries({ ...view.value.own, ...change }).filter(([, v]) => v !== "");
  go({ own: Object.fromEntries(next) }, "push");
}

const EXAMPLES = ["restart nginx", "it is the disk", "roll back the last deploy", "wait until morning"];
const GOALS = ["restore", "diagnose", "preserve"];

function Box() {
  const plan = own("plan");
  return (
    <form
      class="critic-box"
      aria-label="A plan or a belief"
      onSubmit={(e) => {
        e.preventDefault();
        const fields = new FormData(e.currentTarget);
        const text = (name: string): string => String(fields.get(name) ?? "").trim();
        set({ plan: text("plan"), target: text("target"), goal: text("goal") });
      }}
    >
      <label class="entry critic-plan">
        <span>What are you about to do, or what do you believe?</span>
        <input
          key={plan}
          name="plan"
          defaultValue={plan}
          maxLength={2000}
          placeholder="restart api-7"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <label class="entry">
        <span>To what, if not said</span>
        <input
          key={own("target")}
          name="target"
          defaultValue={own("target")}
          placeholder="api"
          autocomplete="off"
        />
      </label>
      <label class="entry">
        <span>To what end</span>
        <select key={own("goal")} name="goal" defaultValue={own("goal")}>
          <option value="">not said</option>
          {GOALS.map((g) => (
            <option key={g} value={g} selected={g === own("goal")}>
              {g}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="button">
        What speaks against it?
      </button>
    </form>
  );
}

function Ask() {
  const [data, setData] = useState<Critique | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const { from, to } = span.value;
  const [plan, target, goal] = ["plan", "target", "goal"].map(own) as [string, string, string];
  const monitor = own("monitor");
  // The end of "the last hour" moves on; the question is asked anew when it is asked, not every second.
  const [seconds, fixed] = [Math.round((to - from) / 1000), view.value.range.kind === "fixed" ? to : 0];
  useEffect(() => {
    if (plan === "") {
      setData(null);
      return;
    }
    const stop = new AbortController();
    const when = fixed > 0 ? { at: fixed / 1000 } : {};
    critic
      .critique({ plan, target, goal, monitor, window: `${Math.max(seconds, 60)}s`, ...when }, stop.signal)
      .then((answer) => {
        setData(answer);
        setError(null);
      })
      .catch((e) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [plan, target, goal, monitor, seconds, fixed, round]);
  const again = (): void => setRound((r) => r + 1);
  return (
    <>
      {error !== null && <Failure error={error} again={again} once />}
      {plan !== "" && data === null && error === null && <Loading what="what is known" />}
      {plan !== "" && data !== null && <Answer data={data} again={again} />}
      {plan === "" && (
        <div class="critic-examples">
          <p class="muted">
            Say it as you would to a colleague. What is recorded, what was changed, and what other operators
            have learnt is held against it; you decide. The time above is that of the trouble.
          </p>
          <p class="row">
            {EXAMPLES.map((example) => (
              <button
                key={example}
                type="button"
                class="button button-small"
                onClick={() => set({ plan: example })}
              >
                {example}
              </button>
            ))}
          </p>
        </div>
      )}
    </>
  );
}

function Known() {
  const [rules, setRules] = useState<Rules | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    critic
      .rules(stop.signal)
      .then((data) => {
        setRules(data);
        setError(null);
      })
      .catch((e) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [round]);
  const again = (): void => setRound((r) => r + 1);
  return (
    <>
      {error !== null && <Failure error={error} again={again} once />}
      {rules === null && error === null && <Loading what="rules" />}
      {rules !== null && (
        <>
          <ThumbForm done={again} />
          <RuleList rules={rules} again={again} />
        </>
      )}
    </>
  );
}

export function CriticPage() {
  const shows = own("show") === "rules" ? "rules" : "";
  const tab = (show: string, title: string) => (
    <button
      type="button"
      class="button button-small"
      aria-pressed={shows === show}
      onClick={() => set({ show })}
    >
      {title}
    </button>
  );
  return (
    <main class="page page-wide critic">
      <div class="critic-head">
        <h1>Critique</h1>
        <p class="row">
          {tab("", "A plan")}
          {tab("rules", "Rules")}
        </p>
      </div>
      {shows === "rules" ? (
        <Known />
      ) : (
        <>
          <Box />
          <Ask />
        </>
      )}
    </main>
  );
}
