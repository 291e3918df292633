/**
 * A small drawing for each kind of thing that series belong to, for the page (SVG) and for the wall (canvas path).
 * Must never be the only carrier of a meaning: a text always stands beside it.
 */

/** Strokes on a 16 by 16 grid. */
const DRAWINGS: Record<string, string> = {
  host: "M2 3h12v8H2zM6 14h4M8 11v3",
  cpu: "M4 4h8v8H4zM6.5 6.5h3v3h-3zM6 1.5V4M10 1.5V4M6 12v2.5M10 12v2.5M1.5 6H4M1.5 10H4M12 6h2.5M12 10h2.5",
  memory: "M2 4h12v7H2zM5 4v4M8 4v4M11 4v4M4 11v2M12 11v2",
  disk: "M3 4c0-1.2 2.2-2 5-2s5 .8 5 2v8c0 1.2-2.2 2-5 2s-5-.8-5-2zM3 4c0 1.2 2.2 2 5 2s5-.8 5-2M3 8c0 1.2 2.2 2 5 2s5-.8 5-2",
  filesystem: "M2 4h4l1.5 2H14v7H2z",
  network: "M8 3v4M3.5 12V9.5H12.5V12M8 7v2.5M6.5 1.5h3v2h-3zM2 12h3v2H2zM11 12h3v2h-3z",
  process: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.5V5M8 11v3.5M1.5 8H5M11 8h3.5",
  cgroup: "M2 2h7v7H2zM7 9v5h7V7H9",
  service: "M8 2l5.5 3v6L8 14l-5.5-3V5zM8 8l5.5-3M8 8L2.5 5M8 8v6",
  monitors:
    "M8 2.5c-3 0-5.5 2.4-6.5 5.5 1 3.1 3.5 5.5 6.5 5.5s5.5-2.4 6.5-5.5C13.5 4.9 11 2.5 8 2.5zM8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  midwatch: "M1.5 9h3l2-5 3 8 2-5 1 2h2",
  metric: "M2 13h12M4 13V8M8 13V3M12 13V6",
  other: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z",
};

const drawing = (kind: string): string => (Object.hasOwn(DRAWINGS, kind) ? DRAWINGS[kind]! : DRAWINGS.other!);

const paths = new Map<string, Path2D>();

/** For a canvas; made once. */
export function kindPath(kind: string): Path2D {
  const key = Object.hasOwn(DRAWINGS, kind) ? kind : "other";
  let path = paths.get(key);
  if (!path) {
    path = new Path2D(drawing(key));
    paths.set(key, path);
  }
  return path;
}

export function KindIcon({ kind }: { kind: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={drawing(kind)} />
    </svg>
  );
}
