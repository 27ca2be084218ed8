import { join } from "node:path";
import { build } from "esbuild";
import { builtinModules } from "../../scripts/builtin-modules.ts";

/** Our API server as one file in `directory`, as the lab runs it: it starts in a tenth of the time of its sources. */
export async function bundleApiServer(directory: string): Promise<string> {
  const outfile = join(directory, "api-server.mjs");
  const entry = join(import.meta.dirname, "api-server-process.ts");
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  const how = { bundle: true, platform: "node", format: "esm", minify: true, banner } as const;
  await build({ entryPoints: [entry], outfile, plugins: [builtinModules], ...how });
  return outfile;
}
