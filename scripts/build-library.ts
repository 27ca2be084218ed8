/** Makes the library `shieldgate/policy`: dist/policy/index.js for Node and browsers alike, and its declarations. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** Packages that go into the bundles of the package; their licences go beside them. */
const BUNDLED = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node", "commander", "re2js", "yaml"];

/** Writes into dist/policy and dist/model of the checkout. Rejects when the sources cannot be bundled. */
export async function buildLibrary(root: string): Promise<void> {
  const declarations = writeDeclarations(root);
  await build({
    entryPoints: [join(root, "src/policy/index.ts")],
    outfile: join(root, "dist/policy/index.js"),
    bundle: true,
    platform: "browser",
    target: "es2022",
    format: "esm",
    legalComments: "none",
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: "linked",
    sourcesContent: false,
    logLevel: "warning",
  });
  const licences = BUNDLED.map((name) => `${name}\n\n${licenceOf(join(root, "node_modules", name))}`);
  writeFileSync(join(root, "dist/policy/THIRD-PARTY.txt"), licences.join("\n\n"));
  await declarations;
}

/** The text that a package brings, or else what it says of itself. */
function licenceOf(folder: string): string {
  const file = join(folder, "LICENSE");
  if (existsSync(file)) return readFileSync(file, "utf8");
  const { license, repository } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    license: string;
    repository: { url: string };
  };
  return `${license} (${repository.url}); the text of Apache-2.0 is in LICENSE of this package.`;
}

/** A fault of types is for `npm run check` to refuse: here it is said, and what could be declared is written. */
function writeDeclarations(root: string): Promise<void> {
  return new Promise((resolve) => {
    const tsc = join(root, "node_modules/.bin/tsc");
    execFile(tsc, ["-p", "tsconfig.library.json"], { cwd: root }, (error, stdout) => {
      if (error !== null) process.stderr.write(`build: declarations of the library: ${stdout || error.message}\n`);
      resolve();
    });
  });
}
