/**
 * Sending a form: what is wrong, whether it is under way, and who sits here. Must never send twice at one press.
 */
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";

const NAME = "midwatch-name";

/** Who sits here, as they said the last time. */
export function rememberedName(): string {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

export function rememberName(name: string): void {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // A browser that keeps nothing is asked again the next time.
  }
}

/** What an error says to people. */
export const errorText = (e: unknown): string =>
  e instanceof ApiError ? `${e.message} ${e.hint}`.trim() : e instanceof Error ? e.message : String(e);

export interface Sending {
  wrong: string;
  sending: boolean;
  /** Says what is wrong before anything is sent. */
  refuse: (what: string) => void;
  /** For `onSubmit`: the text of a field by its name goes to the work. */
  submit: (
    work: (text: (name: string) => string, form: HTMLFormElement) => Promise<void>,
  ) => (event: SubmitEvent) => void;
}

export function useSending(): Sending {
  const [wrong, setWrong] = useState("");
  const [sending, setSending] = useState(false);
  return {
    wrong,
    sending,
    refuse: setWrong,
    submit: (work) => (event) => {
      event.preventDefault();
      if (sending) return;
      const form = event.currentTarget as HTMLFormElement;
      const text = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
      setSending(true);
      setWrong("");
      void work(text, form)
        .catch((e: unknown) => setWrong(errorText(e)))
        .finally(() => setSending(false));
    },
  };
}
