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

it("compresses long answers to reads, for clients that say gzip", async () => {
  const get = async (path: string, encodings: string, accept = "application/json") => {
    const headers = { Accept: accept, "Accept-Encoding": encodings };
    const { encoding, text } = await connection.ask({ method: "GET", path, headers });
    return { encoding, says: JSON.parse(text) };
  };
  for (const accept of ["application/json", TABLE]) {
    const path = `${MAPS}?includeObject=Object`;
    const plain = await get(path, "identity", accept);
    const small = await get(`${path}&limit=3`, "gzip", accept);
    expect([plain.encoding, small.encoding]).toEqual(["", ""]);
    expect(await get(path, "br, gzip", accept)).toEqual({ encoding: "gzip", says: plain.says });
  }
  expect((await get(MAPS, "gzip;q=0")).encoding).toBe("");
  const data = { text: "long ".repeat(30_000) };
  const path = `${MAPS}/long`;
  const created = await connection.ask({
    ...{ method: "POST", path: MAPS, headers: { "Accept-Encoding": "gzip" } },
    body: { metadata: { name: "long" }, data },
  });
  expect(created.encoding).toBe("");
  expect(await get(path, "gzip")).toEqual({ encoding: "gzip", says: JSON.parse(created.text) });
});
