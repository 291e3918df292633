/**
 * The end of a form: what is wrong with it, and its buttons. Must never hide why nothing was sent.
 */
import type { ComponentChildren } from "preact";
import type { Sending } from "./send";

export function SendLine(props: {
  form: Sending;
  word: string;
  leave?: () => void;
  children?: ComponentChildren;
}) {
  const { form, word, leave } = props;
  return (
    <>
      {form.wrong !== "" && (
        <p class="change-wrong" role="alert">
          {form.wrong}
        </p>
      )}
      <p class="row">
        <button type="submit" class="button" disabled={form.sending}>
          {word}
        </button>
        {leave && (
          <button type="button" class="button" onClick={leave}>
            Leave it
          </button>
        )}
        {props.children}
      </p>
    </>
  );
}
