/** `bin/shieldgate`: the command of a person. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { demo } from "../lab/demo/demo.ts";
import { doctor } from "../lab/doctor.ts";
import { envLines } from "../lab/env.ts";
import { METRICS_SOURCES, readMetrics, scrapeConfiguration } from "../lab/metrics.ts";
import { addNode, removeNode } from "../lab/nodes.ts";
import { commandFor, DEFAULT_LAB, type LabPaths, labPaths } from "../lab/paths.ts";
import {
  DEFAULTS,
  parseHostPort,
  parseIpFamily,
  parseRoutingMode,
  readSettings,
  type WantedSettings,
} from "../lab/settings.ts";
import { printNodes, printStatus, readStatus } from "../lab/status.ts";
import { down, start, stop, type UpResult, up } from "../lab/up.ts";
import { CONTROL_PLANE, FABRIC_GATEWAY } from "../model/addresses.ts";
import { createImageCatalogue, wordsOf } from "../runtime/images.ts";
import { EXAMPLE, ownImages } from "../runtime/own-images.ts";

const program = new Command("shieldgate")
  .description("Cilium's network policy and Hubble's visibility, for real, on one Linux machine.")
  .version(packageJson.version)
  .option("--name <lab>", "which lab", DEFAULT_LAB)
  .showHelpAfterError("(shieldgate --help lists the commands)");

function paths(): LabPaths {
  try {
    return labPaths(program.opts<{ name: string }>().name);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

type UpFlags = Omit<WantedSettings, "hostPorts"> & { readonly allowHostPort?: readonly number[] };

/** An option's value, whose parser says what is wrong with it. */
const checked =
  <T>(parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };

function needRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("needs root, for network namespaces and eBPF: run it as root");
}

/** The lab, which must have been brought up: nothing else has an environment. */
function existing(lab: LabPaths): LabPaths {
  if (!existsSync(lab.kubeconfig)) throw new Error(`there is no lab ${lab.lab}: ${commandFor(lab.lab)} up`);
  return lab;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function sayUp(lab: LabPaths, result: UpResult): void {
  const what = {
    nothing: `lab ${lab.lab} is up after ${seconds(result.milliseconds)}`,
    running: `lab ${lab.lab} is up already`,
    damaged: `lab ${lab.lab} was put right in ${seconds(result.milliseconds)}`,
  }[result.found];
  const { nodes, ipFamily, routingMode, hostPorts } = result.settings;
  const families = ipFamily === "dual" ? " with IPv4 and IPv6" : "";
  const programs = nodes.map(({ place }) => `c${place}`).join(", ");
  const routing = routingMode === "native" ? ", native routing" : "";
  console.log(`${what}: ${nodes.length} nodes${families}${routing}, API server ${result.apiServer}`);
  if (result.renewed.length > 0)
    console.log(
      `${result.renewed.length} processes of another build of shieldgate were replaced; pods and policies stayed`,
    );
  for (const port of hostPorts)
    console.log(`port ${port} of this machine's 127.0.0.1 is ${FABRIC_GATEWAY}:${port} in the lab`);
  if (result.found === "nothing")
    console.log(
      `eval "$(${commandFor(lab.lab)} env)" puts kubectl's configuration, kc, ${programs}, hubble and world in place`,
    );
}

program
  .command("up")
  .description("bring the lab up, or put right what is missing of it; returns when it is ready")
  .addOption(
    new Option(
      "--ip-family <family>",
      "addresses of nodes, pods and services: ipv4 (a new lab's, when nothing is said) or dual, IPv4 and IPv6; stays until `down`",
    ).argParser(checked(parseIpFamily)),
  )
  .addOption(
    new Option(
      "--routing-mode <mode>",
      "how pods of other nodes are reached: tunnel, in VXLAN (a new lab's, when nothing is said), or native, by routes; stays until `down`",
    ).argParser(checked(parseRoutingMode)),
  )
  .addOption(
    new Option(
      "--allow-host-port <port>",
      "let pods reach this TCP port of the machine's 127.0.0.1, at 192.168.10.1; may be repeated; nothing of the machine is reached otherwise",
    ).argParser((text: string, earlier?: readonly number[]) => checked((each) => parseHostPort(each, earlier))(text)),
  )
  .action(async ({ allowHostPort: hostPorts, ...others }: UpFlags) => {
    needRoot();
    const wanted = hostPorts === undefined ? others : { ...others, hostPorts };
    sayUp(paths(), await up(paths(), { wanted }));
  });
program
  .command("down")
  .description("end the lab and delete its objects; logs and caches stay")
  .action(async () => {
    needRoot();
    const lab = paths();
    console.log(
      (await down(lab)) ? `lab ${lab.lab} is gone; its logs are in ${lab.logs}` : `there is no lab ${lab.lab}`,
    );
  });
program
  .command("stop")
  .description("end the lab but keep its objects for `start`")
  .action(async () => {
    needRoot();
    const lab = paths();
    console.log(
      (await stop(lab))
        ? `lab ${lab.lab} is stopped; \`start\` brings it back with its objects`
        : `lab ${lab.lab} does not run`,
    );
  });
program
  .command("start")
  .description("bring a stopped lab back with its objects")
  .action(async () => {
    needRoot();
    sayUp(paths(), await start(paths()));
  });
program
  .command("status")
  .description("what runs, what is wrong, and how to mend it; exit code 1 when something is")
  .addOption(new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text"))
  .action(async (options: { output: "text" | "json" }) => {
    const status = await readStatus(paths());
    process.stdout.write(
      options.output === "json" ? `${JSON.stringify(status.machine, null, 2)}\n` : printStatus(paths(), status),
    );
    process.exitCode = status.problems.length === 0 ? 0 : 1;
  });
const node = program.command("node").description("the lab's nodes: add, remove, list");
node
  .command("add [name]")
  .description("add a node to the lab as it runs; returns when it is Ready (k8s-w<n> when no name is given)")
  .action(async (name?: string) => {
    needRoot();
    const started = performance.now();
    const added = await addNode(paths(), name);
    const after = seconds(performance.now() - started);
    const { name: own, place, address, address6, podCidr, podCidr6 } = added;
    const isDual = readSettings(paths())?.ipFamily === "dual";
    const where = isDual
      ? `${address} and ${address6}, pods ${podCidr} and ${podCidr6}`
      : `${address}, pods ${podCidr}`;
    console.log(`node ${own} is Ready after ${after}: ${where}; c${place} is its cilium`);
  });
node
  .command("remove <name>")
  .description("drain a node and remove it from the lab as it runs")
  .action(async (name: string) => {
    needRoot();
    const started = performance.now();
    await removeNode(paths(), name, (line) => console.log(line));
    console.log(`node ${name} is gone after ${seconds(performance.now() - started)}`);
  });
node
  .command("list")
  .description("the nodes, their addresses and the ranges of their pods")
  .action(async () => {
    const lab = paths();
    const settings = readSettings(lab);
    if (settings === undefined) throw new Error(`there is no lab ${lab.lab}: ${commandFor(lab.lab)} up`);
    process.stdout.write(await printNodes(lab, settings));
  });
program
  .command("metrics [of]")
  .description(
    `print what Prometheus would read now: of ${METRICS_SOURCES.join(", ")} (${METRICS_SOURCES[0]} when nothing is said)`,
  )
  .option("--node <name>", "at which node", CONTROL_PLANE.name)
  .option("--scrape-config", "print a configuration for Prometheus instead, to run it with `world prometheus`")
  .action(async (of: string | undefined, options: { node: string; scrapeConfig?: boolean }) => {
    const { nodes } = readSettings(existing(paths())) ?? DEFAULTS;
    const source = METRICS_SOURCES.find((name) => name === (of ?? METRICS_SOURCES[0]));
    if (source === undefined) throw new Error(`no metrics of ${of}: write one of ${METRICS_SOURCES.join(", ")}`);
    const node = nodes.find(({ name }) => name === options.node);
    if (node === undefined) throw new Error(`no node ${options.node}: ${commandFor(paths().lab)} node list`);
    if (!options.scrapeConfig) needRoot();
    process.stdout.write(options.scrapeConfig ? scrapeConfiguration(nodes) : await readMetrics(paths(), source, node));
  });
program
  .command("env")
  .description('print shell lines for `eval "$(bin/shieldgate env)"`')
  .action(() => {
    process.stdout.write(envLines(existing(paths())));
  });
program
  .command("shell")
  .description("open a shell with the lab's environment")
  .action(() => {
    const shell = process.env["SHELL"] ?? "/bin/sh";
    const result = spawnSync("/bin/sh", ["-c", `${envLines(existing(paths()))}exec "$0"`, shell], { stdio: "inherit" });
    process.exitCode = result.status ?? 1;
  });
program
  .command("images")
  .description("the images that pods may use, what runs for each, and how to add more")
  .action(() => {
    const { root, images } = paths();
    const distDirectory = join(root, "dist");
    const options = { nodePath: process.execPath, distDirectory, own: ownImages(images, distDirectory) };
    for (const { image, program: found } of createImageCatalogue(options).list())
      console.log(`${image.padEnd(64)} ${wordsOf(found)}`);
    console.log(`\nAny tag of these. More come from ${images}, which running labs follow:\n\n${EXAMPLE}`);
  });
program
  .command("doctor")
  .description("check everything that the lab needs of this machine; exit code 1 when something is missing")
  .action(() => {
    const checks = doctor(paths().root, readSettings(paths()) ?? DEFAULTS);
    for (const check of checks) {
      console.log(
        `${check.ok ? "ok     " : "MISSING"} ${check.name}: ${check.seen}${check.ok ? "" : `. Mend: ${check.mend}`}`,
      );
    }
    process.exitCode = checks.every((check) => check.ok) ? 0 : 1;
  });
program
  .command("demo")
  .description("bring the lab up and play the Star Wars story against it with kubectl")
  .option("--down", "end the lab afterwards")
  .action(async (options: { down?: boolean }) => {
    needRoot();
    process.exitCode = (await demo(paths(), { down: options.down === true })) ? 0 : 1;
  });
program.command("policy", "judge connections and check policies with the policy engine alone: no root, no lab", {
  executableFile: "policy.mjs",
});

try {
  await program.parseAsync();
} catch (error) {
  console.error(`shieldgate: ${(error as Error).message}`);
  process.exitCode = 1;
}
