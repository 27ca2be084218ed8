import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { ApiConnection } from "../../../test/support/api-exchange.ts";
import type { KubeObject } from "../object.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

interface Row {
  readonly cells: readonly unknown[];
  readonly object?: KubeObject;
}

let test: TestServer;
let connection: ApiConnection;

const ask = async (path: string, accept = "application/json", method = "GET", body?: unknown): Promise<string> =>
  (await connection.ask({ method, path, headers: { Accept: accept }, ...(body ? { body } : {}) })).text;
const list = async (path: string, accept?: string) => JSON.parse(await ask(path, accept));

beforeAll(async () => {
  test = await startTestServer();
  const { authority } = test.server;
  const admin = authority.client("lists", "lists", ["system:masters"]);
  connection = new ApiConnection(test.url, { ca: authority.ca, ...admin });
  const make = (index: number) => {
    const metadata = {
      name: `map-${1000 + index}`,
      labels: { "odd-text": `${index % 2}` },
      annotations: { note: '"]}é' },
    };
    return ask(MAPS, undefined, "POST", { metadata, data: { text: `${'"metadata":'.repeat(40)}é` } });
  };
  for (let index = 0; index < 200; index++) await make(index);
});

afterAll(async () => {
  connection.close();
  await test.close();
});

it("says the same of many objects in every shape, and of each as when it is asked for alone", async () => {
  const { items, ...head } = await list(MAPS);
  expect(items).toHaveLength(200);
  expect(head).toMatchObject({ kind: "ConfigMapList", apiVersion: "v1" });
  const one = await list(`${MAPS}/map-1007`);
  expect({ apiVersion: "v1", kind: "ConfigMap", ...items[7] }).toEqual(one);
  const metadata = items.map((item: KubeObject) => item.metadata);

  const table = await list(MAPS, TABLE);
  const alone = await list(`${MAPS}/map-1007`, TABLE);
  expect(table.rows.map((row: Row) => row.object?.metadata)).toEqual(metadata);
  expect(table.rows[7].cells.slice(0, 2)).toEqual(["map-1007", 1]);
  expect({ ...table.rows[7], cells: [] }).toEqual({ ...alone.rows[0], cells: [] });
  expect(table.columnDefinitions).toEqual(alone.columnDefinitions);
  expect((await list(`${MAPS}?includeObject=None`, TABLE)).rows[7].object).toBeUndefined();
  expect((await list(`${MAPS}?includeObject=Object`, TABLE)).rows[7].object).toEqual(one);

  const partial = await list(MAPS, PARTIAL);
  expect(partial.items.map((item: KubeObject) => item.metadata)).toEqual(metadata);
  expect(partial.items[0]).toMatchObject({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" });
  expect(parse(await ask(MAPS, "application/yaml"))).toEqual({ ...head, items });
});

it("shows a change at once in every shape", async () => {
  for (const accept of [TABLE, PARTIAL]) await ask(MAPS, accept);
  const merge = { "Content-Type": "application/merge-patch+json" };
  const body = { metadata: { labels: { changed: "yes" } } };
  await connection.ask({ method: "PATCH", path: `${MAPS}/map-1007`, headers: merge, body });
  expect((await list(MAPS, TABLE)).rows[7].object.metadata.labels).toHaveProperty("changed", "yes");
  expect((await list(MAPS, PARTIAL)).items[7].metadata.labels).toHaveProperty("changed", "yes");
});

it("says nothing of what an empty list has none of", async () => {
  const empty = `${MAPS}?labelSelector=no%3Dsuch`;
  expect((await list(empty)).items).toEqual([]);
  expect((await list(empty, TABLE)).rows).toEqual([]);
  expect((await list(empty, PARTIAL)).items).toBeNull();
});
