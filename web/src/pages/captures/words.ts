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
    ["open_files", "Open files"],
    ["command", "Command"],
  ],
  sockets: [
    ["protocol", "Protocol"],
    ["state", "State"],
    ["local_address", "Local"],
    ["local_port", "Port"],
    ["peer_address", "Peer"],
    ["peer_port", "Port"],
    ["receive_queue_bytes", "Recv-Q"],
    ["send_queue_bytes", "Send-Q"],
    ["retransmits", "Retransmits"],
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
    ["throttled_us", "Throttled µs"],
    ["oom_kills", "OOM kills"],
  ],
  interrupts: [
    ["interrupt", "Interrupt"],
    ["cpu", "CPU"],
    ["count", "Count"],
    ["about", "Device"],
  ],
  files: [
    ["pid", "PID"],
    ["comm", "Process"],
    ["descriptors", "Descriptors"],
    ["target", "File"],
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

/** How many steps are usual from one reading to the next: what is read every five seconds has four steps of nothing between. */
export function usualStep(values: readonly (number | null)[]): number {
  const at = values.flatMap((v, i) => (v === null ? [] : [i]));
  const steps = at.slice(1).map((place, i) => place - at[i]!);
  steps.sort((a, b) => a - b);
  return steps[(steps.length - 1) >> 1] ?? 1;
}

/** The value that holds at a place: the last reading, unless one has been missing since; null where there is none. */
export function valueAt(values: readonly (number | null)[], place: number): number | null {
  const step = usualStep(values);
  for (let i = place; i >= Math.max(0, place - step); i--)
    if ((values[i] ?? null) !== null) return values[i]!;
  return null;
}

/** A path through the values of a line within width and height, with gaps where nothing is known for longer than is usual. */
export function linePath(values: readonly (number | null)[], width: number, height: number): string {
  const top = Math.max(...values.map((v) => v ?? 0), 0) || 1;
  const longest = usualStep(values) * 1.5;
  let path = "";
  let last = Number.NEGATIVE_INFINITY;
  values.forEach((value, i) => {
    if (value === null) return;
    const x = values.length < 2 ? 0 : (i / (values.length - 1)) * width;
    const y = height - (Math.max(value, 0) / top) * (height - 2) - 1;
    path += `${i - last <= longest ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = i;
  });
  return path;
}

/** A value of a line with its unit. */
export const lineText = (value: number, unit: string): string =>
  unit === "bytes" ? formatValue(value, "bytes") : `${formatValue(value, "")} ${unit}`.trim();

/** `−2 min 5 s`, `+12 s`, `the trigger`. */
export function offsetWords(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s === 0) return "the trigger";
  const size = Math.abs(s);
  const text = size >= 60 ? `${Math.floor(size / 60)} min ${size % 60} s` : `${size} s`;
  return `${text} ${s < 0 ? "before" : "after"} the trigger`;
}
