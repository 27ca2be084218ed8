import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AnsweringAgent } from "../support/cilium-outcome.ts";

const agent = new AnsweringAgent({});
const ours = (...args: string[]) => agent.runOurs(args);
const real = oracle("cilium-dbg");

it.skipIf("missing" in real)(
  `what is read of the machine, and of what it has not, as upstream's command says it${skipNote(real)}`,
  async () => {
    const program = "path" in real ? real.path : "";
    const asked = [
      ["bpf", "fs", "show"],
      ["bpf", "fs", "show", "-o", "json"],
      ["bpf", "fs", "show", "-o", "yaml"],
      ["bpf", "fs", "show", "-o", "jsonpath={}"],
      ["troubleshoot", "kvstore"],
      ["troubleshoot", "kvstore", "--etcd-config", "/nonexistent"],
      ["troubleshoot", "clustermesh", "--clustermesh-config", "/nonexistent"],
    ];
    for (const args of asked) {
      const theirs = spawnSync(program, args, { encoding: "utf8" });
      expect((await ours(...args)).out, args.join(" ")).toBe(theirs.stdout);
    }
    const withoutGlobal = (help: string) => help.replace(/\nGlobal Flags:\n(?: .*\n)+/, "");
    for (const words of ["bpf ct list", "bpf ct flush", "bpf lb list", "troubleshoot kvstore"]) {
      const args = [...words.split(" "), "--help"];
      const theirs = spawnSync(program, args, { encoding: "utf8" });
      expect(withoutGlobal((await ours(...args)).out), words).toBe(withoutGlobal(theirs.stdout));
    }
    const [load, memory] = spawnSync(program, ["loadinfo"], { encoding: "utf8" }).stdout.split("\n");
    const words = (line = "") => line.replaceAll(/[\d.]+/g, "N");
    expect((await ours("loadinfo")).out.split("\n").slice(0, 2).map(words)).toEqual([load, memory].map(words));
  },
);
