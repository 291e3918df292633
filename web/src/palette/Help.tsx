/**
 * The help above the page: every key, from the list of actions, and how to read the screen. Must never name a key that
 * the list does not hold.
 */
import { useEffect, useRef } from "preact/hooks";
import { ACTIONS } from "../actions/all";
import { type Area, shownKeys } from "../actions/registry";
import { overlay } from "../state/app";
import { StateShape } from "../ui/state";
import { useModal } from "./PaletteBox";

export const AREAS: readonly Area[] = [
  "Everywhere",
  "Time",
  "Look",
  "Chart",
  "What moved",
  "Advise",
  "Logs",
  "Cardinality",
  "Query",
];

function Keys({ keys }: { keys: readonly string[] }) {
  return (
    <span class="help-keys">
      {keys.map((k, i) => (
        <span key={k}>
          {i > 0 && <span class="muted"> or </span>}
          {shownKeys(k).map((part) => (
            <kbd key={part}>{part}</kbd>
          ))}
        </span>
      ))}
    </span>
  );
}

export function Help() {
  const box = useRef<HTMLDivElement>(null);
  useModal(box);
  useEffect(() => {
    box.current?.querySelector("button")?.focus();
  }, []);
  return (
    <div class="veil">
      <div class="help" ref={box} role="dialog" aria-modal="true" aria-label="Keys and help">
        <div class="help-head">
          <h2>Keys</h2>
          <button
            type="button"
            class="bar-button"
            aria-label="Close the help"
            onClick={() => (overlay.value = "none")}
          >
            ✕
          </button>
        </div>
        <div class="help-areas">
          {AREAS.map((area) => (
            <section key={area}>
              <h3>{area}</h3>
              <dl>
                {ACTIONS.filter((a) => a.area === area && a.keys.length > 0).map((a) => (
                  <div key={a.id} class="help-row">
                    <dt>{a.title}</dt>
                    <dd>
                      <Keys keys={a.keys} />
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <section>
            <h3>Reading the screen</h3>
            <p class="help-states">
              <StateShape state="fine" word={false} /> fine <StateShape state="look" word={false} /> worth a
              look <StateShape state="bad" word={false} /> bad <StateShape state="silent" word={false} />{" "}
              silent
            </p>
            <p>
              Drag sideways over any chart to zoom into that time. Click a small chart for a large one;
              Ctrl-click, or a long press of a finger, picks it for comparison.
            </p>
            <p>
              Search takes words, parts of words, and <code>label=value</code>. Counters are shown per second.
            </p>
            <p>The address bar always holds what is shown: a link shows a colleague the same.</p>
          </section>
        </div>
      </div>
    </div>
  );
}
