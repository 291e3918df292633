/**
 * All rules with where they come from and what was said of them. Must never hide a broken one.
 */
import { useState } from "preact/hooks";
import { ApiError, serverNow } from "../../api/client";
import { critic, type Rule, type Rules } from "../../api/critic";
import { momentText } from "../../format/time";
import { say } from "../../state/app";
import { Notice } from "../../ui/notice";

const ORIGIN = { builtin: "comes with Midwatch", folder: "from your folder", thumb: "a rule of thumb" };
const VERDICT = {
  helpful: "helpful",
  wrong: "beside the point",
  not_here: "not here",
  here_again: "here again",
};

function acceptance(rule: Rule): string {
  if (rule.shown === 0) return "not shown yet";
  const said = rule.helpful + rule.wrong;
  const of = said === 0 ? "nobody has said how it was" : `helpful ${rule.helpful} of ${said}`;
  return `shown ${rule.shown === 1 ? "once" : `${rule.shown} times`}, ${of}`;
}

function Detail({ rule, again }: { rule: Rule; again: () => void }) {
  const act = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await work();
      say(done);
      again();
    } catch (e) {
      say(e instanceof ApiError ? e.message : String(e));
    }
  };
  return (
    <div class="critic-rule-body">
      <p>{rule.text}</p>
      <p class="muted">{rule.why}</p>
      {rule.queries.map((q) => (
        <p key={q.name} class="critic-query">
          <code>{q.name}</code> {q.says}: <code>{q.promql}</code>
        </p>
      ))}
      <ul class="critic-sources">
        {rule.sources.map((s) => (
          <li key={s}>{s}</li>
        ))}
      </ul>
      {rule.not_here.map((w) => (
        <p key={w.service} class="row">
          <span>
            Left out for {w.service || "everything"}, because {w.because}
            {w.author !== "" && ` (${w.author})`}.
          </span>
          <button
            type="button"
            class="button button-small"
            onClick={() =>
              void act(
                () => critic.say({ rule: rule.id, verdict: "here_again", service: w.service }),
                "It counts again.",
              )
            }
          >
            Let it count again
          </button>
        </p>
      ))}
      {rule.words.length > 0 && (
        <ul class="critic-words">
          {rule.words.map((w) => (
            <li key={w.at_ms}>
              <span class="muted">{momentText(w.at_ms, serverNow())}</span> {VERDICT[w.what]}
              {w.because !== "" && `: ${w.because}`}
            </li>
          ))}
        </ul>
      )}
      {rule.origin === "thumb" && (
        <button
          type="button"
          class="button button-small"
          onClick={() => void act(() => critic.remove(rule.id), "The rule is removed.")}
        >
          Remove this rule
        </button>
      )}
    </div>
  );
}

export function RuleList({ rules, again }: { rules: Rules; again: () => void }) {
  const [words, setWords] = useState("");
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (r: Rule): string => `${r.id} ${r.title} ${r.kind_words} ${r.text} ${r.author}`.toLowerCase();
  const order = { thumb: 0, folder: 1, builtin: 2 };
  const shown = rules.rules
    .filter((r) => wanted.every((w) => text(r).includes(w)))
    .sort((a, b) => order[a.origin] - order[b.origin] || b.shown - a.shown || b.weight - a.weight);
  return (
    <>
      {rules.problems.length > 0 && (
        <Notice title={`${rules.problems.length} of your files are left out.`} tone="bad">
          <ul>
            {rules.problems.map((p) => (
              <li key={p.file + p.what}>
                <code>{p.file}</code>: {p.what}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      <label class="entry critic-find">
        <span>
          {rules.rules.length} rules
          {rules.folder === null
            ? "; a folder of your own is named by critic.rules"
            : `; your folder is ${rules.folder}`}
        </span>
        <input
          type="search"
          placeholder="quorum, cache, restart …"
          value={words}
          onInput={(e) => setWords(e.currentTarget.value)}
        />
      </label>
      <ul class="critic-rules">
        {shown.map((r) => (
          <li key={r.id}>
            <details>
              <summary>
                <span class="critic-rule-title">{r.title}</span>
                <span class="chip">{r.kind_words}</span>
                <span class="muted">
                  {ORIGIN[r.origin]}
                  {r.author !== "" && ` by ${r.author}`}, {acceptance(r)}
                  {r.not_here.length > 0 &&
                    `, left out for ${r.not_here.map((w) => w.service || "all").join(", ")}`}
                </span>
              </summary>
              <Detail rule={r} again={again} />
            </details>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p class="muted">No rule has these words.</p>}
    </>
  );
}
