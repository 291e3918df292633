/** What the page Query is asked, as the address holds it, and what actions need of the page. Must never ask the server. */
import { computed, signal } from "@preact/signals";
import { go, view } from "../state/app";

export type Lang = "sql" | "promql";

export interface Asked {
  lang: Lang;
  text: string;
  show: "table" | "chart";
}

/** The question that stands in the box, and how its answer is shown. */
export const asked = computed<Asked>(() => {
  const { lang, text, show } = view.value.own;
  return {
    lang: lang === "promql" ? "promql" : "sql",
    text: text ?? "",
    show: show === "chart" ? "chart" : "table",
  };
});

/** Changes it; the address follows. */
export function set(change: Partial<Asked>, how: "replace" | "push" = "replace"): void {
  const { lang, text, show } = { ...asked.value, ...change };
  go(
    {
      own: {
        ...(lang === "promql" && { lang }),
        ...(text !== "" && { text }),
        ...(show === "chart" && { show }),
      },
    },
    how,
  );
}

/** The box, while the page is there. */
export const editor = signal<HTMLTextAreaElement | null>(null);
/** Whether the line for a name is open. */
export const naming = signal(false);
