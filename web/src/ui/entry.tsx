/**
 * One field of a form: its title above it, and what was typed left alone while the page is drawn anew. Must never take back what
 * somebody has typed: a value is what it begins with.
 */
import { rememberedName } from "./send";

export function Entry(props: {
  name: string;
  title: string;
  hint?: string;
  required?: boolean;
  /** What it begins with. */
  value?: string;
  /** PromQL, labels: nothing for a spelling checker. */
  code?: boolean;
  type?: "text" | "url" | "datetime-local";
  max?: number;
  /** What the browser may fill in. */
  fills?: string;
  /** What can be chosen, beside anything else. */
  list?: readonly string[];
}) {
  const { name, list } = props;
  return (
    <label class="entry">
      <span>{props.title}</span>
      <input
        type={props.type ?? "text"}
        name={name}
        placeholder={props.hint}
        required={props.required}
        defaultValue={props.value}
        maxLength={props.max}
        list={list ? `entry-${name}` : undefined}
        autocomplete={props.fills ?? "off"}
        spellcheck={!props.code}
        class={props.code ? "code" : undefined}
      />
      {list && (
        <datalist id={`entry-${name}`}>
          {list.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
    </label>
  );
}

/** Who sits here, as they said the last time. */
export function WhoEntry(props: { name: string; title: string; required?: boolean }) {
  return <Entry {...props} value={rememberedName()} fills="name" />;
}
