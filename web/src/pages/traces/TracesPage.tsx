/**
 * Traces: found, shown one by one, and as a map of services. What is shown stands in the address. Must never hold more
 * than which of the three it is.
 */
import { Search } from "./Search";
import { ServiceMap } from "./ServiceMap";
import { own, set } from "./state";
import { TraceView } from "./TraceView";

const TABS = [
  { show: "", title: "Search" },
  { show: "map", title: "Service map" },
] as const;

/** A trace by its id, from wherever it was copied. */
function ById() {
  return (
    <form
      class="by-id"
      onSubmit={(e) => {
        e.preventDefault();
        const id = new FormData(e.currentTarget).get("id");
        const hex = String(id ?? "")
          .trim()
          .replaceAll("-", "")
          .toLowerCase();
        if (/^[0-9a-f]{32}$/.test(hex)) set({ trace: hex }, "push");
      }}
    >
      <input
        type="text"
        name="id"
        aria-label="Trace by its id"
        placeholder="trace id"
        pattern="\s*[0-9a-fA-F\-]{32,36}\s*"
        title="32 hexadecimal digits"
        spellcheck={false}
        autocomplete="off"
      />
      <button type="submit" class="button">
        Open
      </button>
    </form>
  );
}

export function TracesPage() {
  const show = own("show");
  if (own("trace") !== "")
    return (
      <main class="page page-wide">
        <h1 class="sr">Trace</h1>
        <TraceView />
      </main>
    );
  return (
    <main class="page page-wide">
      <div class="traces-head">
        <h1>Traces</h1>
        <fieldset class="tabs" aria-label="What is shown">
          {TABS.map((tab) => (
            <button
              key={tab.show}
              type="button"
              class="button"
              aria-pressed={show === tab.show}
              onClick={() => set({ show: tab.show }, "push")}
            >
              {tab.title}
            </button>
          ))}
        </fieldset>
        <ById />
      </div>
      {show === "map" ? <ServiceMap /> : <Search />}
    </main>
  );
}
