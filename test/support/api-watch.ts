/** What watches and paged lists tell of a few config maps that come, change and go. */
import type { KubeObject } from "../../src/kube/object.ts";
import type { ApiConnection } from "./api-exchange.ts";

const COLLECTION = "/api/v1/namespaces/watched/configmaps";
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
  return { all, byLabel, byName, streamed, pages };
}
