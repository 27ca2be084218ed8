import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { serveShell } from "../../src/agent/shell/server.ts";
import { Shell } from "../../src/agent/shell/shell.ts";
import { exposition, Registry } from "../../src/metrics/index.ts";
import { oracle } from "../oracle/cache.ts";
import { AnsweringAgent, comparable } from "../support/cilium-outcome.ts";

const [theirs, command] = [oracle("shell"), oracle("cilium-dbg")];
const missing = [theirs, command].flatMap((one) => ("missing" in one ? [one.missing] : []));

function sample(): Registry {
  const registry = new Registry();
  const drops = registry.counter({ name: "cilium_drop_count_total", help: "Drops", labels: ["reason", "direction"] });
  drops.of("Policy denied", "INGRESS").inc(3);
  drops.of("Policy denied", "EGRESS").inc(1_234_567.5);
  drops.of("<a>&'b'", "EGRESS").inc(1e-7);
  registry
    .gauge({ name: "cilium_identity", help: "Identities", labels: ["type"] })
    .of("reserved")
    .set(9);
  registry.gauge({ name: "cilium_nothing", help: "Nothing" }).of().set(0);
  registry
    .gauge({ name: "cilium_words", help: "Words", labels: ["word"] })
    .of("true: no")
    .set(-2.25);
  const times = registry.histogram({ name: "cilium_api_seconds", help: "Times", labels: ["path", "method"] });
  for (const seconds of [0.001, 0.002, 0.003, 0.3, 4, 40]) times.of("/healthz", "GET").observe(seconds);
  times.of("/config", "GET").observe(0.004);
  times.of("/none", "GET");
  const sizes = registry.histogram({ name: "cilium_sizes", help: "Sizes", buckets: [1e-9, 1e-6, 1, 5e3, 2e9, 3e13] });
  for (const size of [1e-10, 5e-7, 2, 4000, 1e9, 2.5e13]) sizes.of().observe(size);
  return registry;
}

const QUESTIONS: readonly (readonly string[])[] = [
  ["metrics", "list"],
  ["metrics", "list", "-o", "json"],
  ["metrics", "list", "-o", "yaml"],
  ["metrics", "list", "-o", "jsonpath={[0].name}"],
  ["metrics", "list", "-o", "bogus"],
  ["metrics", "list", "-p", "drop.*EGRESS"],
  ["metrics", "list", "-p", "method=GET", "-o", "json"],
  ["metrics", "list", "-p", "nothing at all"],
  ["metrics", "list", "-p", "nothing at all", "-o", "json"],
  ["metrics", "list", "-p", "nothing at all", "-o", "yaml"],
  ["metrics", "list", "-p", "(open"],
  ["metrics", "list", "-p", "it's"],
  ["shell", "metrics", "identity"],
  ["shell", "metrics", "-f", "json", "'<a>'"],
  ["shell", "metrics", "--format=xml"],
  ["shell", "bogus"],
  ["shell", "bogus", "'two words'", "#", "no", "more"],
  ["shell", "metrics", "'open"],
];

describe.skipIf(missing.length > 0)(
  `the agent's shell answers as upstream's${missing.length > 0 ? ` (skipped: ${missing.join(", ")})` : ""}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), "sgt-h-shell-"));
    const [upstream, own] = [join(directory, "upstream.sock"), join(directory, "own.sock")];
    const program = "path" in command ? command.path : "";
    const asked = new AnsweringAgent({});
    let server: ChildProcess | undefined;
    let shell: { close(): void } | undefined;

    beforeAll(async () => {
      const registry = sample();
      const page = join(directory, "page.txt");
      writeFileSync(page, exposition(registry, "prometheus"));
      server = spawn("path" in theirs ? theirs.path : "", [upstream, page], { stdio: ["ignore", "ignore", "inherit"] });
      shell = await serveShell(own, new Shell(registry));
      await vi.waitFor(() => expect(existsSync(upstream)).toBe(true), { timeout: 20_000 });
    });

    afterAll(async () => {
      shell?.close();
      if (server?.exitCode === null) {
        const ended = new Promise((resolve) => server?.once("exit", resolve));
        server.kill("SIGTERM");
        await ended;
      }
      rmSync(directory, { recursive: true });
    });

    it.each(QUESTIONS.map((args) => [args.join(" "), args] as const))("%s", async (_name, [first = "", ...rest]) => {
      const at = first === "metrics" ? ["metrics", "list", "--shell-sock-path"] : [first, "--shell-sock-path"];
      const words = first === "metrics" ? rest.slice(1) : ["--", ...rest];
      const [wanted, given] = await Promise.all(
        [upstream, own].map((socket) => asked.run(program, [...at, socket, ...words])),
      );
      expect(given).toEqual(wanted);
      expect(comparable(await asked.runOurs([...at, own, ...words]))).toEqual(comparable(wanted!));
    });
  },
);
