/**
 * What speaks against a plan, in the margin: a few lines, each with what was measured and where to look. Must never ask for a
 * decision, nor stand in the way of anything.
 */
import { useState } from "preact/hooks";
import { type Checked, type Critique, type CritiqueLine, critic, type Evidence } from "../../api/critic";
import { say, view } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Because, Wrong } from "../../ui/because";
import { errorText } from "../../ui/send";
import { selectorsOf } from "./links";

/** Look, at the time of the plan; a change for what is on record. */
function Link({ evidence, from, to }: { evidence: Evidence; from: number; to: number }) {
  const range = { kind: "fixed" as const, from, to };
  if (evidence.changes.length > 0) {
    const first = evidence.changes[0]!;
    return (
      <a href={toUrl({ ...defaults("changes"), range: view.value.range, own: { change: first } })}>see</a>
    );
  }
  const open = selectorsOf(evidence.query);
  if (open.length === 0) return null;
  const q = open[0]!.replace(/\{.*$/s, "");
  return (
    <a href={toUrl({ ...defaults("look"), q, open, range })} title={evidence.query}>
      look
    </a>
  );
}

function EvidenceLine({ evidence, from, to }: { evidence: Evidence; from: number; to: number }) {
  const of = ["instance", "mountpoint", "device", "cgroup", "server", "job"]
    .map((name) => evidence.labels[name])
    .filter(Boolean)
    .join(" ");
  return (
    <li>
      <span class="critic-says">
        {evidence.says}
        {of && <span class="muted"> · {of}</span>}
      </span>
      <span class="critic-value">
        {evidence.before !== "" && <span class="muted">{evidence.before} → </span>}
        <strong>{evidence.value}</strong>
      </span>
      <Link evidence={evidence} from={from} to={to} />
    </li>
  );
}

/** "Helpful", "not here, because ...": said once, kept for whoever comes next. */
function Verdict({ line, service, again }: { line: CritiqueLine; service: string; again: () => void }) {
  const [asks, setAsks] = useState<"" | "wrong" | "not_here">("");
  const [wrong, setWrong] = useState("");
  const send = async (verdict: string, because: string): Promise<void> => {
    try {
      await critic.say({ rule: line.rule, verdict, because, service: verdict === "not_here" ? service : "" });
      say(verdict === "not_here" ? `Left out for ${service || "all"} from now on.` : "Noted.");
      setAsks("");
      setWrong("");
      if (verdict === "not_here") again();
    } catch (e) {
      setWrong(errorText(e));
    }
  };
  return (
    <div class="critic-verdict">
      <button type="button" class="button button-small" onClick={() => void send("helpful", "")}>
        Helpful
      </button>
      <button type="button" class="button button-small" onClick={() => setAsks("wrong")}>
        Beside the point
      </button>
      <button type="button" class="button button-small" onClick={() => setAsks("not_here")}>
        Not here
      </button>
      {line.shown > 0 && (
        <span class="muted">
          shown {line.shown === 1 ? "once" : `${line.shown} times`}
          {line.helpful > 0 && `, helpful ${line.helpful}`}
          {line.wrong > 0 && `, not ${line.wrong}`}
        </span>
      )}
      {asks !== "" && (
        <Because
          label={asks === "not_here" ? `Not for ${service || "any service"}, because` : "Because"}
          send={(because) => void send(asks, because)}
          leave={() => setAsks("")}
        />
      )}
      <Wrong text={wrong} />
    </div>
  );
}

function Line(props: { line: CritiqueLine; data: Critique; service: string; again: () => void }) {
  const { line, data, service, again } = props;
  const [from, to] = [data.since * 1000, data.at * 1000];
  return (
    <li class={`critic-line critic-${line.kind}`}>
      <p class="critic-kind">{line.kind_words}</p>
      <h3>{line.title}</h3>
      <p>{line.text}</p>
      {line.evidence.length > 0 && (
        <ul class="critic-evidence">
          {line.evidence.map((e, i) => (
            <EvidenceLine key={i} evidence={e} from={from - (to - from)} to={to} />
          ))}
        </ul>
      )}
      {line.next !== "" && (
        <p>
          <span class="critic-next">Next</span> {line.next}
        </p>
      )}
      <details>
        <summary>Why, and on what ground</summary>
        <p>{line.why}</p>
        <ul class="critic-sources">
          {line.sources.map((s) => (
            <li key={s}>{s}</li>
          ))}
          {line.author !== "" && <li>written by {line.author}</li>}
        </ul>
      </details>
      <Verdict line={line} service={service} again={again} />
    </li>
  );
}

function Others({ title, list, open }: { title: string; list: readonly Checked[]; open?: boolean }) {
  if (list.length === 0) return null;
  return (
    <details class="critic-others" open={open}>
      <summary>
        {title} ({list.length})
      </summary>
      <ul>
        {list.map((c) => (
          <li key={c.rule}>
            {c.checks}
            {c.why !== "" && <span class="muted">: {c.why}</span>}
            {c.evidence.length > 0 && (
              <span class="muted">: {c.evidence.map((e) => `${e.says} ${e.value}`).join(", ")}</span>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

export function Answer({ data, again }: { data: Critique; again: () => void }) {
  const { understood } = data;
  const target = understood.targets[0] ?? understood.suspects[0];
  const service = target ? target.entity.service || target.entity.name : "";
  const list = (names: readonly string[]): string => names.map((n) => `\u201c${n}\u201d`).join(", ");
  const clear = data.is_understood && data.critiques.length === 0 && data.checked.length > 0;
  return (
    <section aria-label="What speaks against it" aria-live="polite">
      {data.is_understood && <p class="critic-understood">Understood: {understood.words}</p>}
      {understood.read_as.map((r) => (
        <p key={r.said} class="muted">
          “{r.said}” is read as {r.as}.
        </p>
      ))}
      {understood.unknown_names.length > 0 && (
        <p class="muted">Nothing is known here by the name {list(understood.unknown_names)}.</p>
      )}
      {understood.not_understood.length > 0 && (
        <p class="muted">Not understood: {list(understood.not_understood)}.</p>
      )}
      <h2 class={`critic-headline ${clear ? "critic-clear" : ""}`}>{data.headline}</h2>
      <ol class="critic-lines">
        {data.critiques.map((line) => (
          <Line key={line.rule} line={line} data={data} service={service} again={again} />
        ))}
      </ol>
      <Others title="Checked, and nothing found" list={data.checked} open={clear} />
      <Others title="Could not be checked" list={data.unchecked} />
      {data.adapted.map((a) => (
        <p key={a.rule} class="muted">
          Left out here: {a.rule}
          {a.service !== "" && ` for ${a.service}`}, because {a.because}.
        </p>
      ))}
    </section>
  );
}
