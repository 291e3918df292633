/**
 * How captures are said: causes, columns, cells. Must never hide what a capture lacks.
 */
import type { Capture, Cause, Cell, Moment } from "../../api/captures";
import { clockTime } from "../../format/time";
import { formatValue } from "../../format/units";

export function causeWords(cause: Cause | undefined): string {
  if (!cause) return "";
  if (cause.kind === "monitor") return `${cause.name} began to fire`;
  const who = cause.kind === "person" && cause.name ? cause.name : "somebody";
  return cause.text ? `${who}: ${cause.text}` : `${who} asked for it`;
}

/** What of the machine could not be read, class by class. */
export function gaps(capture: Capture): string[] {
  const classes = capture.before?.classes ?? [];
  const told = classes.filter((c) => c.problem).map((c) => `${c.name}: ${c.problem}`);
  return [...told, ...(capture.before?.notes ?? []), ...(capture.after?.notes ?? [])];
}

/** Columns of a table that are shown, with their headings; others are in the file. */
export const SHOWN: Record<string, readonly [string, string][]> = {
  processes: [
    ["pid", "PID"],
    ["comm", "Name"],
    ["state", "State"],
    ["cpu_ms", "CPU ms/s"],
    ["resident_bytes", "Memory"],
    ["threads", "Threads"],
    ["open_files", "Files"],
    ["command", "Command"],
  ],
  sockets: [
    ["protocol", ""],
    ["state", "State"],
    ["local_address", "Here"],
    ["local_port", ""],
    ["peer_address", "Peer"],
    ["peer_port", ""],
    ["receive_queue_bytes", "Not read"],
    ["send_queue_bytes", "Not taken"],
    ["retransmits", "Again"],
  ],
  kernel: [
    ["time", "Time"],
    ["level", "Level"],
    ["message", "Message"],
  ],
  cgroups: [
    ["path", "Group"],
    ["memory_bytes", "Memory"],
    ["memory_limit_bytes", "Limit"],
    ["processes", "Processes"],
    ["throttled_us", "Held back µs"],
    ["oom_kills", "OOM kills"],
  ],
  interrupts: [
    ["interrupt", "Interrupt"],
    ["cpu", "CPU"],
    ["count", "Count"],
    ["about", ""],
  ],
  files: [
    ["pid", "PID"],
    ["comm", "Process"],
    ["descriptors", "Descriptors"],
    ["target", "Leads to"],
  ],
  logs: [
    ["time", "Time"],
    ["severity", "Severity"],
    ["service", "Service"],
    ["body", "Message"],
  ],
  alerts: [
    ["monitor", "Monitor"],
    ["state", "State"],
    ["value", "Value"],
    ["labels", "Labels"],
  ],
};

export const TABLES = Object.keys(SHOWN);

export function cellText(column: string, cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  if (column === "time") return clockTime(Number(cell), true);
  if (column.endsWith("_bytes")) return formatValue(Number(cell), "bytes");
  return String(cell);
}

/** The rows of a moment that have the words, in the columns that are shown. */
export function shownRows(moment: Moment, words: string): Cell[][] {
  const wanted = words.trim().toLowerCase();
  return wanted === ""
    ? moment.rows
    : moment.rows.filter((row) =>
        row.some((cell) =>
          String(cell ?? "")
            .toLowerCase()
            .includes(wanted),
        ),
      );
}

/** A path through the values of a line within width and height, with gaps where nothing is known. */
export function linePath(values: readonly (number | null)[], width: number, height: number): string {
  const top = Math.max(...values.map((v) => v ?? 0), 0) || 1;
  let path = "";
  let isDown = false;
  values.forEach((value, i) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = values.length < 2 ? 0 : (i / (values.length - 1)) * width;
    const y = height - (Math.max(value, 0) / top) * (height - 2) - 1;
    path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  return path;
}

/** `−2 min 5 s`, `+12 s`, `the trigger`. */
export function offsetWords(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s === 0) return "the trigger";
  const size = Math.abs(s);
  const text = size >= 60 ? `${Math.floor(size / 60)} min ${size % 60} s` : `${size} s`;
  return `${text} ${s < 0 ? "before" : "after"} the trigger`;
}
