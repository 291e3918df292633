// Made-up series for developing and measuring the interface: a few hosts with what hosts have. Deterministic, and never
// a test's expectation of what the real program answers.

const HOSTS = ["vm", "db-1", "db-2", "api-7", "cache-3"];

/** Metrics of one thing: [name, kind, unit of the value shown, label sets, base, swing]. */
const PER_CPU = ["user", "system", "idle", "iowait", "irq", "softirq", "steal", "nice"];

function cell(group, metric, labels, kind, unit, base, swing) {
  return { group, metric, labels, kind, unit, base, swing };
}

function hostSeries(instance, cpus) {
  const out = [];
  const parent = `host ${instance}`;
  const add = (group, ...rest) =>
    out.push(cell({ ...group, parent: group.kind === "host" ? "" : parent }, ...rest));
  const host = { title: instance, kind: "host" };
  for (const n of ["1", "5", "15"]) add(host, `node_load${n}`, { instance, job: "node" }, "gauge", "", 2, 1);
  for (const r of ["cpu", "memory", "io"]) {
    add(
      host,
      `node_pressure_${r}_waiting_seconds_total`,
      { instance, job: "node" },
      "counter",
      "s/s",
      0.04,
      0.04,
    );
  }
  const memory = { title: "memory", kind: "memory" };
  for (const n of [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Cached",
    "Buffers",
    "Active",
    "Dirty",
    "SwapFree",
  ]) {
    add(
      memory,
      `node_memory_${n}_bytes`,
      { instance, job: "node" },
      "gauge",
      "bytes",
      6e9,
      n === "MemTotal" ? 0 : 4e8,
    );
  }
  for (let c = 0; c < cpus; c++) {
    const g = { title: `cpu ${c}`, kind: "cpu" };
    for (const mode of PER_CPU) {
      add(
        g,
        "node_cpu_seconds_total",
        { cpu: String(c), instance, job: "node", mode },
        "counter",
        "s/s",
        mode === "idle" ? 0.8 : 0.03,
        0.03,
      );
    }
  }
  for (const device of ["sda", "sdb", "nvme0n1"]) {
    const g = { title: device, kind: "disk" };
    for (const [m, unit, base] of [
      ["read_bytes_total", "bytes/s", 4e6],
      ["written_bytes_total", "bytes/s", 9e6],
      ["io_time_seconds_total", "s/s", 0.2],
      ["reads_completed_total", "/s", 120],
      ["writes_completed_total", "/s", 300],
    ]) {
      add(g, `node_disk_${m}`, { device, instance, job: "node" }, "counter", unit, base, base * 0.7);
    }
  }
  for (const mountpoint of ["/", "/var", "/home"]) {
    const g = { title: mountpoint, kind: "filesystem" };
    for (const m of ["avail", "size", "free"]) {
      add(
        g,
        `node_filesystem_${m}_bytes`,
        { device: "/dev/sda1", fstype: "ext4", instance, job: "node", mountpoint },
        "gauge",
        "bytes",
        8e10,
        m === "size" ? 0 : 1e9,
      );
    }
  }
  return out;
}

/** `count` series: hosts first, then processes and services until it is enough. */
export function makeSeries(count) {
  const out = HOSTS.flatMap((h) => hostSeries(h, 8));
  out.push(
    cell(
      { title: "shop", kind: "service", parent: "" },
      "web_test_total",
      { label: "<img src=x onerror=alert(1)>", job: "shop" },
      "counter",
      "/s",
      3,
      1,
    ),
  );
  for (let i = 0; out.length < count; i++) {
    const instance = HOSTS[i % HOSTS.length];
    const name = ["postgres", "nginx", "redis-server", "java", "kworker", "python3"][i % 6];
    const g = { title: `${name} ${1000 + i}`, kind: "process", parent: `host ${instance}` };
    const labels = { groupname: name, instance, job: "node", pid: String(1000 + i) };
    for (const [m, kind, unit, base] of [
      ["process_cpu_seconds_total", "counter", "s/s", 0.05],
      ["process_resident_memory_bytes", "gauge", "bytes", 2e8],
      ["process_threads", "gauge", "", 24],
      ["process_open_fds", "gauge", "", 64],
      ["process_read_bytes_total", "counter", "bytes/s", 3e5],
      ["process_write_bytes_total", "counter", "bytes/s", 6e5],
    ]) {
      out.push(cell(g, m, labels, kind, unit, base * (1 + (i % 17) / 4), base * 0.6));
    }
    for (let h = 0; h < 12; h++) {
      out.push(
        cell(
          g,
          "http_request_duration_seconds_bucket",
          { ...labels, handler: `/api/v1/item/${h}`, le: String(2 ** h / 1000) },
          "counter",
          "/s",
          20 * (h + 1),
          10,
        ),
      );
    }
  }
  out.length = count;
  return out.map((s, id) => ({
    ...s,
    id,
    title: s.metric
      .replace(/^(node|process|http)_/, "")
      .replace(/_(total|bytes|seconds)/g, "")
      .replaceAll("_", " "),
  }));
}

/** A repeatable number in 0..1 for any integers. */
export function noise(a, b) {
  let h = (Math.imul(a + 0x9e37, 0x85ebca6b) ^ Math.imul(b + 0x7f4a, 0xc2b2ae35)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> 0;
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
}

/** The value of a series at a time in seconds; null in its gap. */
export function valueAt(s, t, raw) {
  const minute = Math.floor(t / 60);
  if (s.id % 23 === 5 && minute % 45 < 4) return null;
  const wave = Math.sin(t / (600 + (s.id % 13) * 170) + s.id);
  const spike = noise(s.id, Math.floor(t / 97)) > 0.985 ? 2.5 : 0;
  const v = Math.max(
    0,
    s.base + s.swing * (0.6 * wave + 0.5 * (noise(s.id, Math.floor(t / 5)) - 0.5) + spike),
  );
  return raw && s.kind === "counter" ? (t - 1.7e9) * s.base + v : v;
}
