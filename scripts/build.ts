/**
 * Bundles every main of src/cli into dist/, one file a process: a bundle starts in a tenth of the time of its sources. Beside
 * them the library `shieldgate/policy`. With the argument `policy` only the library and its mains.
 * Does nothing when the bundles are newer than every source.
 */
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildCompileCache } from "./build-cache.ts";
import { buildLibrary } from "./build-library.ts";
import { buildStart } from "./build-start.ts";
import { builtinModules } from "./builtin-modules.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isPolicyOnly = process.argv[2] === "policy";
const mains = readdirSync(join(root, "src/cli"), { withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
  .filter(({ name }) => !isPolicyOnly || /^policy(-flows|-cluster)?\.ts$/.test(name))
  .map((entry) => join(root, "src/cli", entry.name));
const parts = [
  "src/policy",
  "src/model",
  "src/prove",
  "src/flow",
  "src/history",
  "src/kube",
  "src/lab",
  "src/cli",
  "proto/gen",
];
const inputs = isPolicyOnly ? parts : ["src", "proto/gen"];
const policyStamp = join(root, "dist/policy/.built");
const stamps = isPolicyOnly ? [policyStamp] : [policyStamp, join(root, "dist/.built")];

/** True when no file that goes into a bundle is newer than the last build. */
function isFresh(): boolean {
  const builtMs = Math.min(...stamps.map((stamp) => statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0));
  const sources = inputs.flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" }).map((path) =>
      join(root, directory, path),
    ),
  );
  const others = [
    "package.json",
    "package-lock.json",
    "scripts/build.ts",
    "scripts/build-cache.ts",
    "scripts/build-library.ts",
    "scripts/build-start.ts",
    "scripts/builtin-modules.ts",
  ];
  return [...sources, ...others.map((path) => join(root, path))].every((path) => statSync(path).mtimeMs < builtMs);
}

/** A source that is written while the build runs is newer than its stamp. */
const begun = new Date();
function setStamps(): void {
  for (const stamp of stamps) {
    writeFileSync(stamp, "");
    utimesSync(stamp, begun, begun);
  }
}

if (isFresh()) {
  setStamps();
  process.exit(0);
}
const started = performance.now();
for (const stamp of stamps) rmSync(stamp, { force: true });
mkdirSync(join(root, "dist/policy"), { recursive: true });
const library = buildLibrary(root);
await build({
  entryPoints: mains,
  outdir: join(root, "dist"),
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  // a package runs them, wherever it is put
  target: "node22",
  format: "esm",
  legalComments: "none",
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  sourcemap: "linked",
  sourcesContent: false,
  // koffi finds its native half beside its own files
  external: ["koffi"],
  plugins: [builtinModules],
  // packages that are CommonJS inside call require
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
await library;
await buildStart(root);
if (!isPolicyOnly) await buildCompileCache(root);
setStamps();
process.stderr.write(`build: ${mains.length + 1} bundles in ${Math.round(performance.now() - started)} ms\n`);
