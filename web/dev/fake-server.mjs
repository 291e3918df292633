// Serves dist/ and answers the interface's API with made-up data, for developing and measuring without the program.
//   node dev/fake-server.mjs [--build]      PORT=4005 SERIES=100000 STATE=fine|look|bad
// With UPSTREAM=http://127.0.0.1:4004 the answers are those of a running program, and only dist/ comes from here.
// Must never be taken for the program: the browser test runs against the real one.

import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, watch } from "node:fs";
import { createServer, request } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { routes, series, tiles } from "./fake-answers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

function answer(res, data) {
  res.writeHead(data === null ? 404 : 200, { "content-type": "application/json" });
  res.end(
    JSON.stringify(
      data === null
        ? { status: "error", errorType: "not_found", error: "no such series", hint: "" }
        : { status: "success", data },
    ),
  );
}

/** Hands a question on to the program. */
function forward(req, res) {
  const onward = request(
    new URL(req.url, process.env.UPSTREAM),
    { method: req.method, headers: req.headers },
    (from) => {
      res.writeHead(from.statusCode, from.headers);
      from.pipe(res);
    },
  );
  onward.on("error", () => res.destroy());
  res.on("close", () => onward.destroy());
  req.pipe(onward);
}

function serve(req, res) {
  const u = new URL(req.url, "http://fake");
  if (process.env.UPSTREAM && /^\/(api|v1|loki|metrics)/.test(u.pathname)) {
    forward(req, res);
    return;
  }
  res.setHeader("content-security-policy", CSP);
  res.setHeader("x-content-type-options", "nosniff");
  if (u.pathname === "/api/v1/look/tiles" && req.method === "POST") {
    let body = "";
    req.on("data", (c) => (body += c));
    req.on("end", () => answer(res, tiles(body)));
    return;
  }
  if (u.pathname === "/api/v1/import") {
    req.resume();
    res.writeHead(204).end();
    return;
  }
  const route = routes[u.pathname];
  if (route) return answer(res, route(u.searchParams));
  // A page has no ending; which pages there are, the program decides.
  const name = extname(u.pathname) === "" ? "index.html" : u.pathname.slice(1);
  const file = join(dist, name);
  if (!file.startsWith(dist) || !existsSync(file)) return answer(res, null);
  res.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "cache-control": "no-cache",
  });
  createReadStream(file).pipe(res);
}

if (process.argv.includes("--build")) {
  const build = () => spawnSync(process.execPath, [join(root, "build.mjs")], { stdio: "inherit" });
  build();
  let timer;
  watch(join(root, "src"), { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(build, 100);
  });
}
const server = createServer(serve);
server.listen(Number(process.env.PORT ?? 4005), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${server.address().port} with ${series.length} made-up series`),
);
