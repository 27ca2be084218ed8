import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { markdownHtml } from "../../src/cli/cilium/markdown-html.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AGENT_ANSWERS } from "../support/agent-answers.ts";
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
    // upstream has no order of options
    const sorted = (text: string) => text.split("\n").sort();
    for (const words of ["config --list-options", "endpoint config 1 --list-options"]) {
      const theirs = spawnSync(program, words.split(" "), { encoding: "utf8" });
      expect(sorted((await ours(...words.split(" "))).out), words).toEqual(sorted(theirs.stdout));
    }
    const [load, memory] = spawnSync(program, ["loadinfo"], { encoding: "utf8" }).stdout.split("\n");
    const words = (line = "") => line.replaceAll(/[\d.]+/g, "N");
    expect((await ours("loadinfo")).out.split("\n").slice(0, 2).map(words)).toEqual([load, memory].map(words));
  },
);

it.skipIf("missing" in real)(
  `a report's Markdown becomes the HTML that upstream makes of it${skipNote(real)}`,
  async () => {
    const CALL = "GET /v1/debuginfo";
    const report = {
      ...(AGENT_ANSWERS[CALL] as object),
      "cilium-status": {},
      "environment-variables": ["LANG", "A & B", '<"C">'],
      "cilium-memory-map": "00400000-00746000 r--p\n",
      policy: { policy: "[\n  {}\n]", revision: 3 },
    };
    const directory = mkdtempSync(join(tmpdir(), "sgt-debuginfo-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const answering = new AnsweringAgent({ ...AGENT_ANSWERS, [CALL]: report });
    onTestFinished(() => answering.close());
    await answering.listen();
    const args = ["debuginfo", "--file", "--file-per-command", "--output", "markdown,html"];
    await answering.run("path" in real ? real.path : "", [...args, "--output-directory", directory]);
    const reports = readdirSync(directory).filter((name) => name.endsWith(".md"));
    expect(reports).toHaveLength(10);
    for (const name of reports) {
      const [markdown = "", html] = [name, name.replace(/md$/, "html")].map((file) =>
        readFileSync(join(directory, file), "utf8"),
      );
      expect(markdownHtml(markdown), name).toBe(html);
    }
  },
);
