// The answers of the interface's API, in the shapes of docs/reference/http-api.md, with made-up data.
// Must never be taken for what the program answers.
import { makeSeries, valueAt } from "./fake-data.mjs";

export const series = makeSeries(Number(process.env.SERIES ?? 100_000));
const text = series.map((s) =>
  `${s.metric} ${s.title} ${s.group.title} ${s.group.parent} ${s.group.kind} ${Object.entries(s.labels)
    .map((e) => e.join("="))
    .join(" ")}`.toLowerCase(),
);
const started = Date.now();

function parseSelector(selector) {
  const m = /^\s*([a-zA-Z_:][\w:]*)?\s*(?:\{(.*)\})?\s*$/s.exec(selector);
  if (!m) return null;
  const matchers = [...(m[2] ?? "").matchAll(/"?([\w.]+)"?\s*=\s*"((?:[^"\\]|\\.)*)"/g)].map((x) => [
    x[1],
    x[2].replace(/\\(.)/g, "$1"),
  ]);
  return (s) =>
    (!m[1] || s.metric === m[1]) &&
    matchers.every(([k, v]) => (k === "__name__" ? s.metric : (s.labels[k] ?? "")) === v);
}

function find(p) {
  const began = performance.now();
  const words = (p.get("q") ?? "")
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((w) => w.replace(/^(\w+):/, "$1="));
  const selector = p.get("match") ? parseSelector(p.get("match")) : () => true;
  let hits = series.filter((s, i) => words.every((w) => text[i].includes(w)) && selector?.(s));
  const byMetric = p.get("group") === "metric";
  if (byMetric)
    hits = hits.slice().sort((a, b) => (a.metric < b.metric ? -1 : a.metric > b.metric ? 1 : a.id - b.id));
  const groups = [];
  const keyOf = (s) => (byMetric ? s.metric : `${s.group.kind}/${s.group.parent}/${s.group.title}`);
  let last;
  hits.forEach((s, i) => {
    if (keyOf(s) === last) groups.at(-1).count++;
    else
      groups.push(
        byMetric
          ? { title: s.metric, kind: "metric", parent: "", first: i, count: 1 }
          : { ...s.group, first: i, count: 1 },
      );
    last = keyOf(s);
  });
  const counts = new Map();
  for (const s of words.length ? hits : []) {
    counts.set(s.metric, (counts.get(s.metric) ?? 0) + 1);
    for (const [k, v] of Object.entries(s.labels))
      if (words.some((w) => `${k}=${v}`.includes(w)))
        counts.set(`${k}=${v}`, (counts.get(`${k}=${v}`) ?? 0) + 1);
  }
  const suggestions = [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 12)
    .map(([t, n]) => ({ text: t, kind: t.includes("=") ? "label" : "metric", series: n }));
  const limit = Number(p.get("limit") ?? 200_000);
  return {
    epoch: String(started),
    total: hits.length,
    elapsed_ms: performance.now() - began,
    truncated: hits.length > limit,
    groups: limit < hits.length ? [] : groups,
    ids: hits.slice(0, limit).map((s) => s.id),
    suggestions,
  };
}

export function tiles(body) {
  const { ids, start, end, points, mode } = JSON.parse(body);
  const now = Date.now() / 1000;
  return {
    tiles: ids.flatMap((id) => {
      const s = series[id];
      if (!s) return [];
      const raw = mode === "raw";
      const values = Array.from({ length: points }, (_, i) => {
        const t = start + ((i + 0.5) / points) * (end - start);
        return t > now ? null : valueAt(s, t, raw);
      });
      const there = values.filter((v) => v !== null);
      const rate = s.kind === "counter" && !raw;
      return [
        {
          id,
          metric: s.metric,
          labels: s.labels,
          title: s.title,
          kind: s.kind,
          unit: raw && s.kind === "counter" ? s.unit.replace(/\/s$/, "") : s.unit,
          mode: rate ? "rate" : "raw",
          values,
          last: there.at(-1) ?? null,
          min: Math.min(...there),
          max: Math.max(...there),
        },
      ];
    }),
  };
}

function exemplars(p) {
  const [start, end] = [Number(p.get("start")), Number(p.get("end"))];
  return [
    {
      seriesLabels: { __name__: "http_request_duration_seconds_bucket", le: "1" },
      exemplars: [0.1, 0.35, 0.36, 0.8].map((part, i) => ({
        labels: { trace_id: `4bf92f3577b34da6a3ce929d0e0e473${i}`, user: "ada" },
        value: String(0.2 + part),
        timestamp: start + part * (end - start),
      })),
    },
  ];
}

function chart(p) {
  const hits = series.filter(parseSelector(p.get("match") ?? "") ?? (() => false)).slice(0, 50);
  const [start, end, points] = [Number(p.get("start")), Number(p.get("end")), Number(p.get("points") ?? 600)];
  const step = (end - start) / points;
  const t = Array.from({ length: points }, (_, i) => start + i * step);
  const raw = p.get("mode") === "raw";
  const now = Date.now() / 1000;
  const lines = hits.flatMap((s) =>
    [0, ...p.getAll("offset").map(Number)].map((offset) => {
      const avg = t.map((x) => (x > now && offset === 0 ? null : valueAt(s, x - offset, raw)));
      const there = avg.filter((v) => v !== null).sort((a, b) => a - b);
      const q = (f) => there[Math.floor(f * (there.length - 1))] ?? null;
      return {
        labels: s.labels,
        offset_s: offset,
        avg,
        min: avg.map((v) => v && v * 0.9),
        max: avg.map((v) => v && v * 1.12),
        stats: {
          count: there.length,
          min: q(0),
          max: q(1),
          mean: there.reduce((a, b) => a + b, 0) / there.length,
          p50: q(0.5),
          p95: q(0.95),
          first: avg[0],
          last: avg.findLast((v) => v !== null) ?? null,
        },
      };
    }),
  );
  return {
    unit: hits[0]?.unit ?? "",
    mode: hits[0]?.kind === "counter" && !raw ? "rate" : "raw",
    step_s: step,
    t,
    lines,
    truncated: false,
  };
}

function facts(p) {
  const s = series.find(parseSelector(p.get("match") ?? "") ?? (() => false));
  if (!s) return null;
  const [start, end] = [Number(p.get("start")), Number(p.get("end"))];
  const gaps = [];
  for (let m = Math.floor(start / 60); m < end / 60; m++) {
    if (valueAt(s, m * 60, false) === null) {
      if (gaps.at(-1)?.to_ms === m * 60_000) gaps.at(-1).to_ms += 60_000;
      else gaps.push({ from_ms: m * 60_000, to_ms: (m + 1) * 60_000 });
    }
  }
  return {
    labels: s.labels,
    metric: s.metric,
    kind: s.kind,
    unit: s.unit,
    help: "Made up, for developing the interface.",
    source: { kind: "host", text: "this host, read from /proc/diskstats every 1 s" },
    first_seen_ms: started - 864e5,
    last_seen_ms: Date.now() - 800,
    interval_ms: 1000,
    samples_in_range: Math.round(end - start),
    gaps,
    drops:
      s.id % 5
        ? []
        : [{ reason: "too_old", samples: 3, last_ms: started, message: "older than the retention of 30 d" }],
    explanation: [
      "Last sample 1 s ago; one is due every 1 s.",
      gaps.length ? `${gaps.length} gaps in this time.` : "No gap in this time.",
    ],
  };
}

function home() {
  const state = process.env.STATE ?? "fine";
  const tile = (
    id,
    title,
    value,
    q,
    st = "fine",
    detail = "Below 90 %: fine. Worth a look from 90 %, bad from 97 %.",
  ) => ({ id, title, value, state: st, detail, link: { q } });
  const subject = (title, kind, st = "fine") => ({
    id: `${kind}/${title}`,
    title,
    kind,
    state: st,
    tiles: [
      tile("cpu", "CPU", "14 %", "cpu"),
      tile("memory", "Memory", "5.1 of 7.7 GiB", "memory"),
      tile(
        "disk",
        "Disk space",
        st === "fine" ? "61 % of /" : "98 % of /var",
        "filesystem avail",
        st,
        st === "fine"
          ? undefined
          : "Full in about 40 min at the pace of the last hour. Worth a look from 90 %, bad from 97 %.",
      ),
      tile("pressure", "Pressure", "2 % waiting", "pressure"),
      tile("net", "Network errors", "none", "network"),
      tile("clock", "Clock", "0.3 ms off", "time"),
    ],
  });
  const headline = {
    fine: "All fine. See you tomorrow.",
    look: "1 of 18 is worth a look: disk space on vm.",
    bad: "1 of 18 is bad: disk space on vm.",
  }[state];
  return {
    now_ms: Date.now(),
    state,
    headline,
    subjects: [
      subject("vm", "host", state),
      subject("postgres", "service"),
      subject("cache-3", "service", state === "fine" ? "fine" : "silent"),
    ],
  };
}

function cardinality(p) {
  const by = p.get("by") ?? "metric";
  const selected = series.filter(parseSelector(p.get("match") ?? "") ?? (() => true));
  const counts = new Map();
  const values = new Map();
  const one = (name, value) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (value !== undefined) values.set(name, (values.get(name) ?? new Set()).add(value));
  };
  for (const s of selected) {
    if (by === "metric") one(s.metric);
    for (const [k, v] of Object.entries(s.labels)) {
      if (by === "label") one(k, v);
      if (by === "pair") one(`${k}=${v}`);
      if ((by === "value" && k === p.get("label")) || (by === "source" && k === "job")) one(v);
    }
  }
  const rows = [...counts]
    .map(([name, n], i) => ({
      name,
      series: n,
      day_ago: i % 4 ? n : n + (i % 3) - 1,
      growth: i % 4 ? 0 : 1 - (i % 3),
      ...(by === "label" ? { values: values.get(name).size } : {}),
      ...(by === "metric" ? { queried: i % 3, queried_ms: i % 3 ? Date.now() - 1e6 : null } : {}),
    }))
    .filter((r) => r.name.toLowerCase().includes(p.get("filter") ?? ""))
    .sort((a, b) => b.series - a.series);
  return {
    rows: rows.slice(0, 200),
    found: rows.length,
    series: selected.length,
    day_ago: selected.length - 7,
    cut: false,
    queried_since_ms: started - 6e8,
    warnings: [],
  };
}

export const routes = {
  "/api/v1/cardinality": cardinality,
  "/api/v1/look/find": find,
  "/api/v1/look/chart": chart,
  "/api/v1/query_exemplars": exemplars,
  "/api/v1/look/series": facts,
  "/api/v1/home": home,
  "/api/v1/discovery": () => ({
    enabled: true,
    ports: [
      {
        port: 9100,
        address: "127.0.0.1",
        process: "node_exporter",
        state: "scraped",
        reason: "answers Prometheus text",
        checked_ms: Date.now() - 9000,
        next_check_ms: null,
      },
      {
        port: 5432,
        address: "127.0.0.1",
        process: "postgres",
        state: "failed",
        reason: "closed the connection before it answered",
        checked_ms: Date.now() - 60_000,
        next_check_ms: Date.now() + 3.5e6,
      },
      {
        port: 22,
        address: "::",
        process: "sshd",
        state: "refused",
        reason: "answered text that is no HTTP",
        checked_ms: Date.now() - 60_000,
        next_check_ms: Date.now() + 3.5e6,
      },
    ],
  }),
  "/api/v1/targets": () => ({
    activeTargets: [
      {
        labels: { instance: "127.0.0.1:9100", job: "node" },
        discoveredLabels: {},
        scrapePool: "found",
        scrapeUrl: "http://127.0.0.1:9100/metrics",
        health: "up",
        lastError: "",
        lastScrape: new Date(Date.now() - 2000).toISOString(),
        lastScrapeDuration: 0.0123,
        scrapeInterval: "5s",
      },
      {
        labels: { instance: "127.0.0.1:8080", job: "shop" },
        discoveredLabels: {},
        scrapePool: "shop",
        scrapeUrl: "http://127.0.0.1:8080/metrics",
        health: "down",
        lastError: "connection refused",
        lastScrape: new Date(Date.now() - 2000).toISOString(),
        lastScrapeDuration: 0.0003,
        scrapeInterval: "5s",
      },
    ],
    droppedTargets: [],
  }),
  "/api/v1/archive": () => {
    const day = 86_400_000;
    const now = Date.now();
    const block = (i, state) => ({
      id: i,
      first_ms: now - (30 - i) * day,
      last_ms: now - (29 - i) * day,
      series: 1316,
      samples: 125_326 * 40,
      bytes: 4_200_000,
      state,
      here_until_ms: state === "here" ? now + 5 * day : null,
    });
    return {
      location: "s3://cold/midwatch",
      after_ms: 14 * day,
      retention_ms: null,
      problem: null,
      bytes: 3 * 4_200_000,
      blocks: [block(0, "archived"), block(1, "coming"), block(2, "here")],
    };
  },
  "/api/v1/status/limits": () => ({
    since_ms: started,
    limits: [
      {
        name: "store.series_max",
        unit: "series",
        limit: 5e6,
        used: series.length,
        hits: 0,
        counted: "samples",
        last_ms: null,
        message: "",
        at_limit: "samples of further series are refused",
      },
      {
        name: "query.samples_max",
        unit: "samples",
        limit: 5e7,
        used: null,
        hits: 3,
        counted: "requests",
        last_ms: Date.now() - 4e5,
        message: "the query needs more than 50000000 samples in memory",
        at_limit: "the query ends with an error",
      },
    ],
  }),
  "/api/v1/status/midwatch": () => ({
    version: "0.1.0",
    started_ms: started,
    data_dir: "/var/lib/midwatch",
    retention: "30d",
    cost: { cpu_ratio: 0.0042, memory_bytes: 31e6 },
    store: {
      series: series.length,
      samples_per_s: 98_400,
      head_bytes: 84e6,
      wal_bytes: 22e6,
      blocks: 12,
      blocks_bytes: 1.3e9,
      oldest_ms: started - 864e5,
      disk_free_bytes: 4.4e10,
      state: "ok",
      message: "",
    },
    work: [
      {
        kind: "merge",
        running: [
          { what: "4 blocks of level 0", since_ms: Date.now() - 4000, done_bytes: 3e7, total_bytes: 8e7 },
        ],
        waiting: 2,
        waiting_bytes: 1.2e8,
        behind_s: 70,
        succeeded: 7,
        failed: 1,
        last: {
          what: "4 blocks of level 0",
          ended_ms: Date.now() - 9e4,
          took_s: 3.2,
          bytes: 7e7,
          error: null,
        },
      },
    ],
    sources: [
      { source: "host", samples: 1_234_567, rejected: [], last_ms: Date.now() - 500 },
      {
        source: "import",
        samples: 4000,
        rejected: [{ reason: "too_old", samples: 3, message: "older than the retention of 30 d" }],
        last_ms: Date.now() - 50_000,
      },
    ],
  }),
};
