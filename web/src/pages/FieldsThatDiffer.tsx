/**
 * Fields that differ: which values are in more, and in fewer, of the log records or spans of the shown time than of its baseline, or
 * than of all others of that time. Must never say that a value makes the trouble: it goes with it.
 */
import { useState } from "preact/hooks";
import { type FieldDiffers, type FieldsQuestion, type FieldsThatDiffer, lookApi } from "../api/look";
import { formatCount, formatValue } from "../format/units";
import { condition, harmless } from "../logs/text";
import { view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { Notice } from "../ui/notice";
import { Asking, useAsking } from "./asking";
import { percentText } from "./compare";

/** Values that are shown before one asks for more. */
const FEW = 6;

/** Where the records with this value are. */
function whereTo(
  signal: "logs" | "spans",
  one: { field: string; value: string },
  question: FieldsQuestion,
): string {
  const { range } = view.value;
  if (signal === "logs") {
    const q = [question.query ?? "", condition(one.field, one.value)].filter(Boolean).join(" ");
    return toUrl({ ...defaults("logs"), range, q });
  }
  const names: Record<string, string> = { service: "service", operation: "op", status: "status" };
  const name = names[one.field];
  const own: Record<string, string> = {
    ...(question.service ? { service: question.service } : {}),
    ...(name === undefined ? { attr: `${one.field}=${one.value}` } : { [name]: one.value }),
  };
  return toUrl({ ...defaults("traces"), range, own });
}

function Row({ one, question }: { one: FieldDiffers; question: FieldsQuestion }) {
  const shares = `${percentText(one.share_inside)} of the records, otherwise ${percentText(one.share_outside)}`;
  return (
    <tr>
      <th scope="row">
        <a href={whereTo(question.signal, one, question)} title={`${one.field}: ${harmless(one.value)}`}>
          <span class="muted">{harmless(one.field)}</span> {harmless(one.text)}
        </a>
        {one.also.length > 0 && (
          <div class="muted fields-also">
            in as many records:{" "}
            {one.also
              .slice(0, 4)
              .map((a) => `${a.field} ${a.text}`)
              .map(harmless)
              .join(", ")}
            {one.also.length > 4 && ` and ${one.also.length - 4} more`}
          </div>
        )}
      </th>
      <td class="fields-bars" title={shares}>
        <svg viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label={shares}>
          <rect x="0" y="1" width={Math.max(one.share_inside * 100, 0.5)} height="6" class="advice-after" />
          <rect x="0" y="8" width={Math.max(one.share_outside * 100, 0.5)} height="5" class="advice-before" />
        </svg>
      </td>
      <td class="number">
        {percentText(one.share_inside)}
        <div class="muted">{formatCount(one.inside)}</div>
      </td>
      <td class="number">
        {percentText(one.share_outside)}
        <div class="muted">{formatCount(one.outside)}</div>
      </td>
      <td class="number fields-rates">
        {formatValue(one.rate_inside, "/s")}
        <div class="muted">{formatValue(one.rate_outside, "/s")}</div>
      </td>
    </tr>
  );
}

function List(props: { title: string; all: FieldDiffers[]; question: FieldsQuestion }) {
  const [open, setOpen] = useState(false);
  const shown = open ? props.all : props.all.slice(0, FEW);
  if (props.all.length === 0) return null;
  return (
    <>
      <table class="table fields-table">
        <thead>
          <tr>
            <th scope="col">{props.title}</th>
            <th scope="col">
              <span class="sr">Shares as bars</span>
            </th>
            <th scope="col" class="number">
              here
            </th>
            <th scope="col" class="number">
              otherwise
            </th>
            <th scope="col" class="number fields-rates">
              a second
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <Row key={`${one.field} ${one.value}`} one={one} question={props.question} />
          ))}
        </tbody>
      </table>
      {props.all.length > shown.length && (
        <button type="button" class="button" onClick={() => setOpen(true)}>
          Show {props.all.length - FEW} more
        </button>
      )}
    </>
  );
}

function Answer({ data, question }: { data: FieldsThatDiffer; question: FieldsQuestion }) {
  const what = question.signal === "logs" ? "log records" : "spans";
  const { identifiers, cut, fields } = data.left_out;
  if (data.inside === 0) return <p class="muted">There are no {what} in this time.</p>;
  if (data.outside === 0) return <p class="muted">There are no {what} to compare with.</p>;
  return (
    <>
      <p class="muted">
        {formatCount(data.inside)} {what} against {formatCount(data.outside)}; {formatCount(data.values)}{" "}
        values compared.
        {identifiers.length > 0 &&
          ` Left out, as they tell every record apart: ${identifiers.map(harmless).join(", ")}.`}
        {cut.length > 0 && ` Of ${cut.map(harmless).join(", ")} the rarest values are missing.`}
        {fields > 0 && ` ${formatCount(fields)} further fields found no room.`}
      </p>
      {data.warnings.map((w) => (
        <p key={w} class="stale" role="alert">
          {w}
        </p>
      ))}
      {data.more.length + data.fewer.length === 0 && (
        <Notice title="No field differs.">
          <p>Every value is in about as large a part of the {what} as otherwise.</p>
        </Notice>
      )}
      <List title="In more of them" all={data.more} question={question} />
      <List title="In fewer of them" all={data.fewer} question={question} />
    </>
  );
}

/** Asks at once. */
export function Fields({ question }: { question: FieldsQuestion }) {
  const asked = useAsking<FieldsThatDiffer>(JSON.stringify(question), (signal, watching) =>
    lookApi.fields(question, signal, watching),
  );
  return (
    <>
      <Asking asked={asked} what={question.signal === "logs" ? "log records" : "spans"} />
      {asked.data !== null && asked.isWhole && <Answer data={asked.data} question={question} />}
    </>
  );
}

/** A button that asks, where it is not what the page is for. `others`: something is meant, and the rest can be compared with it. */
export function FieldsButton({ question, others }: { question: FieldsQuestion; others: boolean }) {
  // A live range is frozen at the moment of the question; another question is not what was asked for.
  const about = JSON.stringify([{ ...question, start: 0, end: 0 }, view.value.range]);
  const [asked, setAsked] = useState<{ about: string; question: FieldsQuestion } | null>(null);
  const shown = asked?.about === about ? asked.question : null;
  const against = shown?.baseline ?? "";
  const choose = (baseline: string): void =>
    setAsked(against === baseline ? null : { about, question: { ...question, baseline } });
  return (
    <section class="fields" aria-label="Fields that differ">
      <p class="row">
        <button
          type="button"
          class="button"
          aria-expanded={against === "before"}
          title="Every value of every field: in this time against the time just before"
          onClick={() => choose("before")}
        >
          Fields that differ from before
        </button>
        {others && (
          <button
            type="button"
            class="button"
            aria-expanded={against === "others"}
            title="Every value of every field: what is found against all others of this time"
            onClick={() => choose("others")}
          >
            … from all others
          </button>
        )}
      </p>
      {shown && <Fields question={shown} />}
    </section>
  );
}
