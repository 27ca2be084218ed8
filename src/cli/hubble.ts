import { runMain } from "./cobra/run.ts";
import { runTree } from "./cobra/tree.ts";
import { hubbleTree } from "./hubble/tree.ts";

await runMain("hubble", (signal) => runTree(hubbleTree(process.env), process.argv.slice(2), signal), "bare");
