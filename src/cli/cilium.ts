/** Main of `cilium` and `cilium-dbg` inside the agent's pod: asks the agent over `cilium.sock`. */
import { CILIUM_TREE } from "./cilium/tree.ts";
import { runMain } from "./cobra/run.ts";
import { runTree } from "./cobra/tree.ts";

await runMain(CILIUM_TREE.root.name, (signal) => runTree(CILIUM_TREE, process.argv.slice(2), signal), "cobra twice");
