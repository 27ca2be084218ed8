import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** What is done while it is watched what has to be compiled: the start of each of these commands is what a person waits for. */
const WARMED = [
  ["lint", "examples/05-shop"],
  ["diff", "--before", "examples/05-shop/policies.yaml", "--after", "examples/05-shop/mended.yaml"],
  ["test", "examples/05-shop"],
  ["explain", "--from", "edge/gateway", "--to", "svc/frontend:80", "--http", "GET /", "examples/05-shop"],
];

/**
 * Makes dist/start: `shieldgate policy` as one script beside what V8 compiled of it. Node's own compile cache keeps only what is compiled
 * when a module loads; half of a short command's time goes into functions that are compiled when they are first called.
 * The cache is named after the script: V8 itself compares no more than its length.
 */
export async function buildStart(root: string): Promise<void> {
  const folder = join(root, "dist/start");
  const { outputFiles } = await build({
    entryPoints: [join(root, "src/cli/policy.ts")],
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    legalComments: "none",
    minifySyntax: true,
    minifyWhitespace: true,
    define: { "import.meta.url": "__mainUrl", "import.meta.filename": "__filename" },
    write: false,
    logLevel: "warning",
  });
  const script = outputFiles[0]!.text;
  const name = createHash("sha256").update(script).digest("hex").slice(0, 16);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.cjs`), script);
  writeFileSync(join(folder, `${name}.new`), loader(name));
  renameSync(join(folder, `${name}.new`), join(folder, "policy.cjs"));
  for (const args of WARMED) {
    const run = spawnSync(process.execPath, [join(folder, "policy.cjs"), ...args], {
      cwd: root,
      env: { ...process.env, SHIELDGATE_WARM: "1" },
    });
    if (run.status === null || run.status > 2) process.stderr.write(`build: ${args[0]}: ${run.stderr.toString()}\n`);
  }
  for (const file of readdirSync(folder))
    if (file !== "policy.cjs" && !file.startsWith(name)) rmSync(join(folder, file), { force: true });
}

/** Runs the script in the place of dist/policy.mjs, beside which the other bundles are. A cache of another V8 is no cache. */
function loader(name: string): string {
  return `"use strict";
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const { Script, constants } = require("node:vm");
const { pathToFileURL } = require("node:url");
const { dirname } = require("node:path");
const main = dirname(__dirname) + "/policy.mjs";
const file = __dirname + "/${name}";
const cached = () => { try { return readFileSync(file + ".cache"); } catch { return undefined; } };
const script = new Script("(function(require,module,exports,__filename,__mainUrl){" + readFileSync(file + ".cjs", "latin1") + "\\n})", {
  filename: file + ".cjs",
  cachedData: cached(),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
if (process.env.SHIELDGATE_WARM) process.on("exit", () => {
  writeFileSync(file + ".new", script.createCachedData());
  renameSync(file + ".new", file + ".cache");
});
script.runInThisContext()(require, module, exports, main, pathToFileURL(main).href);
`;
}
