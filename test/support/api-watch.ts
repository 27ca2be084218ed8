/** What watches and paged lists tell of a few config maps that come, change and go. */
import type { KubeObject } from "../../src/kube/object.ts";
import type { ApiConnection } from "./api-exchange.ts";

const COLLECTION = "/api/v1/namespaces/watched/configmaps";
/** Of lists, watches and reads: options whose answers are the same text from both servers, but for revisions. */
const OPTIONS = [
  ...["", "0", "-1", "18446744073709551616"].flatMap((revision) =>
    ["", "Exact", "NotOlderThan", "Near"].map((match) => `resourceVersion=${revision}&resourceVersionMatch=${match}`),
  ),
  "resourceVersion=9999999",
  "watch=yes&timeoutSeconds=1",
  "watch&timeoutSeconds=1",
  "watch=0",
  "watch=1&timeoutSeconds=1&resourceVersionMatch=Exact",
  ...["0", "9999999"].map(
    (revision) =>
      `watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=${revision}`,
  ),
  "watch=1&timeoutSeconds=1&sendInitialEvents=yes&resourceVersionMatch=NotOlderThan",
];

/** What a server says to each of OPTIONS: how many lines or items, or why not. */
async function answersToOptions(server: ApiConnection): Promise<Record<string, string>> {
  const said = OPTIONS.map(async (options) => {
    const given = options.split("&").filter((option) => !option.endsWith("="));
    const { code, text } = await server.ask({ method: "GET", path: `${COLLECTION}?${given.join("&")}` });
    const whole = text.replaceAll(/current: \d+/g, "current: N");
    const count = text.split(/"name":"|^\{"type"/m).length;
    return [options, code === 200 && !text.includes('"ERROR"') ? `${code} ${count}` : `${code} ${reasonIn(whole)}`];
  });
  return Object.fromEntries(await Promise.all(said)) as Record<string, string>;
}

/** The message of a Status, on its own or in an event. */
const reasonIn = (text: string): string => /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text;

const MERGE = { "Content-Type": "application/merge-patch+json" };

interface Told {
  readonly type: string;
  readonly object: KubeObject;
}

/** The events of a watch that ends by itself after a second, as `TYPE name label`. */
async function events(server: ApiConnection, query: Record<string, string>): Promise<string> {
  const asked = new URLSearchParams({ watch: "true", timeoutSeconds: "1", ...query });
  const { text } = await server.ask({ method: "GET", path: `${COLLECTION}?${asked}` });
  const lines = text
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "");
  const told = lines.map((line) => JSON.parse(line) as Told);
  // bookmarks that only say how far the watch is come when it pleases the server
  const said = told.flatMap(({ type, object: { metadata } }) => {
    if (type !== "BOOKMARK") return [`${type} ${metadata.name} ${metadata.labels?.["app"] ?? "-"}`];
    return metadata.annotations?.["k8s.io/initial-events-end"] === "true" ? ["BOOKMARK end"] : [];
  });
  return said.join(" ");
}

/** Makes, changes and deletes config maps, and asks what watches and lists say of it. */
export async function watchAndPage(server: ApiConnection) {
  const write = (method: string, name: string, body?: object) =>
    server.ask({
      method,
      path: method === "POST" ? COLLECTION : `${COLLECTION}/${name}`,
      headers: method === "PATCH" ? MERGE : {},
      body,
    });
  await server.ask({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: "watched" } } });
  await write("POST", "one", { metadata: { name: "one", labels: { app: "a" } } });
  await write("POST", "two", { metadata: { name: "two" } });
  const list = JSON.parse((await server.ask({ method: "GET", path: COLLECTION })).text) as KubeObject;
  const { resourceVersion = "" } = list.metadata;
  await write("POST", "three", { metadata: { name: "three", labels: { app: "a" } } });
  await write("PATCH", "one", { data: { a: "1" } });
  await write("PATCH", "one", { metadata: { labels: { app: "b" } } });
  await write("PATCH", "two", { metadata: { labels: { app: "a" } } });
  await write("DELETE", "three");
  await write("POST", "four", { metadata: { name: "four" } });
  const initial = { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan", allowWatchBookmarks: "true" };
  const [all, byLabel, byName, streamed] = await Promise.all([
    events(server, { resourceVersion }),
    events(server, { resourceVersion, labelSelector: "app=a" }),
    events(server, { resourceVersion, fieldSelector: "metadata.name=two" }),
    events(server, initial),
  ]);
  const pages: number[] = [];
  for (let token = "", more = true; more; more = token !== "") {
    const path = `${COLLECTION}?limit=2${token === "" ? "" : `&continue=${encodeURIComponent(token)}`}`;
    const page = JSON.parse((await server.ask({ method: "GET", path })).text) as KubeObject & { items: unknown[] };
    pages.push(page.items.length);
    token = String(page.metadata["continue"] ?? "");
  }
  const [options, future] = await Promise.all([
    answersToOptions(server),
    server.ask({ method: "GET", path: `${COLLECTION}/one?resourceVersion=9999999` }),
  ]);
  return { options, future: future.code, all, byLabel, byName, streamed, pages };
}
