/**
 * "Because ...": the one line in which somebody says why. Must never send an empty reason.
 */
export function Because(props: { label: string; send: (because: string) => void; leave: () => void }) {
  const { label, send, leave } = props;
  return (
    <form
      class="because"
      onSubmit={(e) => {
        e.preventDefault();
        send(String(new FormData(e.currentTarget).get("because") ?? "").trim());
      }}
      onKeyDown={(e) => e.key === "Escape" && leave()}
    >
      <label class="entry">
        <span>{label}</span>
        <input name="because" required maxLength={500} autocomplete="off" autofocus />
      </label>
      <button type="submit" class="button button-small">
        Say so
      </button>
    </form>
  );
}

/** Why nothing was kept. */
export function Wrong({ text }: { text: string }) {
  return text === "" ? null : (
    <p class="change-wrong" role="alert">
      {text}
    </p>
  );
}
