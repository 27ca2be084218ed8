/** Whoever lists and then watches sees each change once and in order, whenever they begin and however many write at once. */
import { expect, it } from "vitest";
import {
  ConfigMaps,
  type KubeClient,
  KubeError,
  type KubeObject,
  type WatchEvent,
} from "../../src/kube/client/index.ts";
import { startTestServer } from "../../src/kube/server/test-server.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const RUNS = 4;
const WRITERS = 5;
const WRITES = 60;
const WATCHERS = 8;
const NAMES = 6;

type Change = readonly [type: string, name: string, revision: number];

const nameOf = (object: KubeObject) => object.metadata.name;
const revisionOf = (object: KubeObject) => Number(object.metadata.resourceVersion);
const changeOf = ({ type, object }: WatchEvent): Change => [type, nameOf(object), revisionOf(object)];

/** One who lists, and follows from there. */
class Watcher {
  readonly changes: Change[] = [];
  from = 0;
  private readonly state = new Map<string, string>();
  private readonly stop = new AbortController();
  private watching: Promise<void> = Promise.resolve();

  async begin(client: KubeClient): Promise<void> {
    const { items, resourceVersion } = await client.list(ConfigMaps, { namespace: "default" });
    this.from = Number(resourceVersion);
    for (const item of items) this.state.set(nameOf(item), JSON.stringify(item.data));
    this.watching = this.follow(client, resourceVersion);
  }

  get held(): string[] {
    return [...this.state].map(([name, data]) => `${name} ${data}`).sort();
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.watching;
  }

  private async follow(client: KubeClient, resourceVersion: string): Promise<void> {
    for await (const event of client.watch(ConfigMaps, {
      namespace: "default",
      resourceVersion,
      signal: this.stop.signal,
    })) {
      if (event.type === "BOOKMARK") continue;
      this.changes.push(changeOf(event));
      if (event.type === "DELETED") this.state.delete(nameOf(event.object));
      else this.state.set(nameOf(event.object), JSON.stringify(event.object.data));
    }
  }
}

async function writeSome(client: KubeClient, random: Random): Promise<void> {
  for (let count = 0; count < WRITES; count++) {
    const name = `n${random.below(NAMES)}`;
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { v: String(random.next()) },
    };
    const act = random.pick(["create", "update", "update", "delete"] as const);
    const done =
      act === "delete" ? client.delete(ConfigMaps, name, { namespace: "default" }) : client[act](ConfigMaps, object);
    await done.catch((error) => {
      if (!(error instanceof KubeError)) throw error;
    });
  }
}

it.each(Array.from({ length: RUNS }, (_, index) => index))(
  "list and watch miss and repeat nothing (%i)",
  async (run) => {
    const server = await startTestServer();
    const random = new Random(run + 1);
    const { client } = server;
    const first = new Watcher();
    const watchers = [first];
    try {
      await first.begin(client);
      const writing = Promise.all(Array.from({ length: WRITERS }, () => writeSome(client, random)));
      for (let count = 0; count < WATCHERS; count++) {
        await new Promise((resolve) => setTimeout(resolve, random.below(15)));
        const watcher = new Watcher();
        watchers.push(watcher);
        await watcher.begin(client);
      }
      await writing;
      const { items, resourceVersion } = await client.list(ConfigMaps, { namespace: "default" });
      const last = Math.max(first.from, ...items.map(revisionOf), Number(resourceVersion));
      // a change that all must have seen ends it
      const end = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "end", namespace: "default" }, data: {} };
      const made = revisionOf(await client.create(ConfigMaps, end));
      for (const { changes } of watchers) {
        await expect.poll(() => changes.at(-1)?.[2]).toBe(made);
      }
      expect(made).toBeGreaterThan(last);
      const now = (await client.list(ConfigMaps, { namespace: "default" })).items;
      const held = now.map((item) => `${nameOf(item)} ${JSON.stringify(item.data)}`).sort();
      expect(first.changes.map(([, , revision]) => revision)).toEqual(
        first.changes.map(([, , revision]) => revision).toSorted((a, b) => a - b),
      );
      for (const watcher of watchers) {
        expect(watcher.changes).toEqual(first.changes.filter(([, , revision]) => revision > watcher.from));
        expect(watcher.held).toEqual(held);
      }
    } finally {
      await Promise.all(watchers.map((watcher) => watcher.end()));
      await server.close();
    }
  },
);
