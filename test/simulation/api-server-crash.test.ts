/**
 * kill -9 of the API server under load, again and again: nothing acknowledged is lost, no revision goes back, and what was not
 * acknowledged is there whole or not at all. `SHIELDGATE_CRASHES` says how often; a few times when it is not set.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { connect } from "../../src/kube/client/connect.ts";
import { ConfigMaps, type KubeClient, KubeError, type KubeObject } from "../../src/kube/client/index.ts";
import { openAuthority } from "../../src/kube/pki/authority.ts";
import { bundleApiServer } from "../support/api-server-bundle.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const CRASHES = Number(process.env["SHIELDGATE_CRASHES"] ?? 5);
const WRITERS = 6;
const NAMES = 8;
const LONGEST_MS = 400;

/** What may be stored under a name: the last acknowledged value, and those that nobody answered. Undefined = nothing. */
interface Known {
  acknowledged: string | undefined;
  readonly open: Set<string | undefined>;
}

async function startServer(
  program: string,
  directory: string,
  port: number,
): Promise<{ child: ChildProcess; port: number }> {
  const words = ["--disable-warning=ExperimentalWarning", program, directory, String(port)];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout! });
  const { value } = await lines[Symbol.asyncIterator]().next();
  lines.close();
  return { child, port: Number(String(value).split(" ")[1]) };
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()));

class Writer {
  /** Names are the writer's own, so that it knows what it did. */
  readonly known = new Map<string, Known>();
  highest = 0;
  writes = 0;
  private readonly client: KubeClient;
  private readonly random: Random;
  private readonly prefix: string;

  constructor(client: KubeClient, random: Random, prefix: string) {
    this.client = client;
    this.random = random;
    this.prefix = prefix;
  }

  /** Writes until the server is gone. */
  async run(): Promise<void> {
    for (;;) {
      const name = `${this.prefix}-${this.random.below(NAMES)}`;
      const known = this.known.get(name) ?? { acknowledged: undefined, open: new Set() };
      this.known.set(name, known);
      const value = this.random.percent(25) ? undefined : String(this.random.next());
      try {
        await this.write(name, known.acknowledged !== undefined, value);
        known.acknowledged = value;
        known.open.clear();
        this.writes++;
      } catch (error) {
        // an answer is no crash; the name is as it was
        if (error instanceof KubeError) continue;
        known.open.add(value);
        return;
      }
    }
  }

  private async write(name: string, exists: boolean, value: string | undefined): Promise<void> {
    const object: KubeObject = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      ...(value === undefined ? {} : { data: { value } }),
    };
    if (value === undefined) {
      if (exists) await this.client.delete(ConfigMaps, name, { namespace: "default" });
      return;
    }
    const written = await (exists ? this.client.update(ConfigMaps, object) : this.client.create(ConfigMaps, object));
    const revision = Number(written.metadata.resourceVersion);
    expect(revision).toBeGreaterThan(this.highest);
    this.highest = revision;
  }
}

/** What is stored now must be what was acknowledged, or one of what nobody answered; from here on it is known. */
function compare(writers: readonly Writer[], items: readonly KubeObject[]): void {
  const stored = new Map(items.map((item) => [item.metadata.name, (item["data"] as { value: string }).value]));
  for (const { known } of writers) {
    for (const [name, one] of known) {
      const found = stored.get(name);
      const allowed = [one.acknowledged, ...one.open];
      expect(allowed, `${name} after a crash`).toContain(found);
      one.acknowledged = found;
      one.open.clear();
    }
  }
}

it(`loses nothing that it acknowledged when it is killed ${CRASHES} times`, {
  timeout: 20_000 + CRASHES * 3000,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-crash-"));
  const random = new Random(Number(process.env["SHIELDGATE_SEED"] ?? 20261127));
  const authority = openAuthority(join(directory, "pki"));
  const identity = authority.client("crash", "crash", ["system:masters"]);
  const program = await bundleApiServer(directory);
  let running = await startServer(program, directory, 0);
  const open = () => connect({ server: `https://127.0.0.1:${running.port}`, ca: authority.ca, ...identity });
  let client = open();
  let highest = 0;
  const all = Array.from({ length: WRITERS }, (_, index) => new Writer(client, random, `w${index}`));
  let writes = 0;
  try {
    let writers = all;
    for (let crash = 0; crash < CRASHES; crash++) {
      const works = writers.map((writer) => writer.run());
      await new Promise((resolve) => setTimeout(resolve, random.next() * LONGEST_MS));
      running.child.kill("SIGKILL");
      await Promise.all(works);
      await ended(running.child);
      client.close();
      running = await startServer(program, directory, running.port);
      client = open();
      const { items, resourceVersion } = await client.list(ConfigMaps, { namespace: "default" });
      highest = Math.max(highest, ...writers.map((writer) => writer.highest));
      expect(Number(resourceVersion)).toBeGreaterThanOrEqual(highest);
      highest = Number(resourceVersion);
      compare(writers, items);
      writes += writers.reduce((sum, writer) => sum + writer.writes, 0);
      writers = writers.map((writer, index) => {
        const next = new Writer(client, random, `w${index}`);
        for (const [name, known] of writer.known) next.known.set(name, known);
        next.highest = highest;
        return next;
      });
    }
  } finally {
    running.child.kill("SIGKILL");
    await ended(running.child);
    client.close();
    rmSync(directory, { recursive: true });
  }
  console.log(`${CRASHES} crashes, ${writes} acknowledged writes`);
  expect(writes).toBeGreaterThan(CRASHES);
});
