// Builds the interface into dist/ (index.html, app.js, app.css, favicon.svg): all static, all of one origin.
// With --tests it bundles the unit tests for node instead. Never fetches anything.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));

/** The interface itself. */
async function buildApp() {
  const dist = join(root, "dist");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { app: "src/main.tsx" },
    outdir: "dist",
    bundle: true,
    minify: true,
    sourcemap: false,
    format: "iife",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
    write: false,
  });
  const files = new Map(outputFiles.map((f) => [basename(f.path), Buffer.from(f.contents)]));
  for (const name of readdirSync(join(root, "public")))
    files.set(name, readFileSync(join(root, "public", name)));
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist)) if (!files.has(name)) rmSync(join(dist, name), { recursive: true });
  for (const [name, bytes] of [...files].sort()) {
    const path = join(dist, name);
    // What is the same stays untouched: the program, which holds these files, is not compiled again for it.
    if (!existsSync(path) || !readFileSync(path).equals(bytes)) writeFileSync(path, bytes);
    console.log(`${name.padEnd(12)} ${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`);
  }
}

/** All unit tests as one file that `node --test` runs. */
async function buildTests() {
  const tests = readdirSync(join(root, "test/unit")).filter((name) => name.endsWith(".test.ts"));
  if (tests.length === 0) throw new Error("test/unit holds no *.test.ts");
  await build({
    absWorkingDir: root,
    stdin: {
      contents: tests.map((name) => `import "./test/unit/${name}";`).join("\n"),
      resolveDir: root,
      loader: "ts",
    },
    outfile: "test-results/unit.test.mjs",
    bundle: true,
    platform: "node",
    format: "esm",
    target: ["node20"],
    jsx: "automatic",
    jsxImportSource: "preact",
    sourcemap: "inline",
    logLevel: "warning",
  });
}

await (process.argv.includes("--tests") ? buildTests() : buildApp());
