/**
 * The time range in the bar: presets, a box to type in, back, forth, out, and whether it lives. Must never read the
 * clock but the server's.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/client";
import { isoText } from "../format/time";
import { go, live, overlay, span, tick, view } from "../state/app";
import { PRESETS, parseRange, rangeCode, rangeText, shift, toggleLive, zoom } from "../state/range";

export const moveRange = (part: number): void => go({ range: shift(view.value.range, part, serverNow()) });
export const zoomRange = (factor: number): void => go({ range: zoom(view.value.range, factor, serverNow()) });
export const switchLive = (): void => go({ range: toggleLive(view.value.range, span.value.to) });

function RangeBox() {
  const [text, setText] = useState(rangeCode(view.value.range));
  const [wrong, setWrong] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const close = (): void => {
    overlay.value = "none";
    document.getElementById("range")?.focus();
  };
  useEffect(() => {
    input.current?.select();
    const outside = (e: PointerEvent): void => {
      if (!box.current?.contains(e.target as Node)) overlay.value = "none";
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, []);
  const take = (): void => {
    const range = parseRange(text, serverNow());
    if (typeof range === "string") {
      setWrong(range);
      return;
    }
    go({ range });
    close();
  };
  return (
    <div class="range-box" ref={box} role="dialog" aria-label="Time range">
      <input
        ref={input}
        type="text"
        value={text}
        aria-label="Time range"
        aria-invalid={wrong !== ""}
        spellcheck={false}
        autocomplete="off"
        onInput={(e) => {
          setText(e.currentTarget.value);
          setWrong("");
        }}
        onKeyDown={(e) => {
          // Both move the focus to a button, which must not take the key for a click.
          if (e.key === "Enter" || e.key === "Escape") e.preventDefault();
          if (e.key === "Enter") take();
          if (e.key === "Escape") close();
          e.stopPropagation();
        }}
      />
      <p class={wrong ? "range-hint wrong" : "range-hint"} role={wrong ? "alert" : undefined}>
        {wrong ||
          "90m · last 2h · 14:00–14:30 · yesterday · 2026-11-21 10:00 to 2026-11-21 11:00. Local time."}
      </p>
      <div class="range-presets">
        {PRESETS.map((p) => (
          <button
            key={p.text}
            type="button"
            class="button"
            onClick={() => {
              go({ range: { kind: "last", seconds: p.seconds } });
              close();
            }}
          >
            {p.text}
          </button>
        ))}
      </div>
    </div>
  );
}

const ARROW = { back: "M10 3 5 8l5 5", forth: "M6 3l5 5-5 5", out: "M3 8h10" };

function Small({
  label,
  keys,
  drawing,
  run,
}: {
  label: string;
  keys: string;
  drawing: string;
  run: () => void;
}) {
  return (
    <button type="button" class="bar-button" aria-label={label} title={`${label} (${keys})`} onClick={run}>
      <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
        <path d={drawing} />
      </svg>
    </button>
  );
}

export function RangeControl() {
  const { range } = view.value;
  const { from, to } = span.value;
  return (
    <div class="range">
      <Small label="Earlier" keys="[" drawing={ARROW.back} run={() => moveRange(-0.5)} />
      <button
        type="button"
        id="range"
        class="bar-button range-text"
        title={`${isoText(from)} to ${isoText(to)}`}
        aria-expanded={overlay.value === "range"}
        onClick={() => (overlay.value = overlay.value === "range" ? "none" : "range")}
      >
        {rangeText(range, tick.value)}
      </button>
      <Small label="Later" keys="]" drawing={ARROW.forth} run={() => moveRange(0.5)} />
      <Small label="Zoom out" keys="-" drawing={ARROW.out} run={() => zoomRange(2)} />
      <button
        type="button"
        class={`bar-button live ${live.value ? "is-live" : ""}`}
        aria-pressed={live.value}
        aria-label={live.value ? "Live" : "Stopped"}
        title={live.value ? "Live: stop (Space)" : "Stopped: follow now (Space)"}
        onClick={switchLive}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          {live.value ? <circle cx="8" cy="8" r="4.5" /> : <path d="M4 3h3v10H4zM9 3h3v10H9z" />}
        </svg>
        <span class="live-word">{live.value ? "Live" : "Stopped"}</span>
      </button>
      {overlay.value === "range" && <RangeBox />}
    </div>
  );
}
