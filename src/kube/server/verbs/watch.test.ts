import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { SqliteStore } from "../../storage/sqlite-store.ts";
import type { Api } from "../context.ts";
import { coreKinds } from "../kinds/core.ts";
import { watchObjects } from "./watch.ts";

const kind = coreKinds.find(({ resource }) => resource === "configmaps")!;
const object = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } });

test("who is patient is told after the others, of all that happened until then at once", async () => {
  const store = new SqliteStore(":memory:");
  const told: string[] = [];
  const watch = (who: string, isPatient: boolean) => {
    const write = (lines: string) => told.push(`${who} of ${lines.trimEnd().split("\n").length}`);
    const response = { writeHead: () => {}, flushHeaders: () => {}, on: () => {}, writableLength: 0, write };
    const writer = { render: (_: unknown, json: string | undefined) => json!, contentType: "application/json" };
    const query = new URLSearchParams({ resourceVersion: String(store.revision) });
    watchObjects(
      { store } as unknown as Api,
      kind,
      "",
      "",
      query,
      writer,
      response as unknown as ServerResponse,
      isPatient,
    );
  };
  store.create(kind.storage, object("first"));
  watch("controllers", true);
  watch("agent", false);
  store.create(kind.storage, object("a"));
  await Promise.resolve();
  store.create(kind.storage, object("b"));
  await setImmediate();
  expect(told).toEqual(["agent of 2", "controllers of 2"]);
  store.create(kind.storage, object("c"));
  await setImmediate();
  expect(told.slice(2)).toEqual(["agent of 1", "controllers of 1"]);
  store.close();
});

test("what is there now is not told as of a revision that is yet to come", async () => {
  const store = new SqliteStore(":memory:");
  store.create(kind.storage, object("first"));
  const asked = async (query: Record<string, string>) => {
    let text = "";
    const response = {
      ...{ writeHead: () => {}, flushHeaders: () => {}, on: () => {}, writableLength: 0 },
      ...{ write: (lines: string) => (text += lines), end: () => (text += "end") },
    };
    const writer = { render: (_: unknown, json: string | undefined) => json!, contentType: "application/json" };
    const api = { store } as unknown as Api;
    const all = new URLSearchParams({ resourceVersionMatch: "NotOlderThan", ...query });
    watchObjects(api, kind, "", "", all, writer, response as unknown as ServerResponse, false);
    await setImmediate();
    return text;
  };
  expect(await asked({ sendInitialEvents: "true", resourceVersion: "99" })).toMatch(
    /^\{"type":"ERROR".*ResourceVersionTooLarge.*\}\nend$/,
  );
  expect(await asked({ sendInitialEvents: "true", resourceVersion: String(store.revision) })).toMatch(
    /^\{"type":"ADDED".*"first".*\}\n$/,
  );
  store.close();
});
