import type { IncomingMessage } from "node:http";
import { groupVersion, type KubeObject } from "../object.ts";
import { type Table, toTable } from "../printers/index.ts";
import type { Stored } from "../storage/store.ts";
import type { Call } from "./call.ts";
import { type Api, fromStored } from "./context.ts";
import type { ResourceKind } from "./kind.ts";
import { type Format, negotiate } from "./negotiate.ts";
import { listHead, metadataOnly, writeText, writeValue } from "./respond.ts";
import type { Page } from "./verbs/list.ts";
import type { WatchWriter } from "./verbs/watch.ts";

/** Objects as a Table of the version asked for. */
function table(
  api: Api,
  kind: ResourceKind,
  objects: readonly KubeObject[],
  query: URLSearchParams,
  format: Format,
): Table {
  const include = query.get("includeObject") as "None" | "Metadata" | "Object" | null;
  const made = toTable(kind, objects, { now: api.now(), includeObject: include ?? "Metadata" });
  return { ...made, apiVersion: `meta.k8s.io/${format.version ?? "v1"}` } as Table;
}

/** Answers with one object, in the shape asked for. */
export async function writeObject(
  call: Call,
  code: number,
  object: KubeObject,
  warnings: readonly string[] = [],
): Promise<void> {
  const { api, target, query, request, response } = call;
  const format = negotiate(request.headers.accept, ["Table", "PartialObjectMetadata"]);
  if (format.as === "Table") {
    const value = {
      ...table(api, target.kind, [object], query, format),
      metadata: { resourceVersion: object.metadata.resourceVersion },
    };
    return writeValue(response, code, format, value, warnings);
  }
  const value = format.as === "PartialObjectMetadata" ? metadataOnly(object, format.version ?? "v1") : object;
  return writeValue(response, code, format, value, warnings);
}

function listMetadata(page: Page, kind: ResourceKind, isPlain: boolean): object {
  const more = page.continueToken ?? (kind.definition && isPlain ? "" : undefined);
  return {
    resourceVersion: String(page.revision),
    ...(more === undefined ? {} : { continue: more }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
}

/** Items of built-in kinds do not say what they are: their list does. */
function itemText(kind: ResourceKind): (stored: Stored) => string {
  if (kind.definition) return ({ json }) => json;
  const head = JSON.stringify({ apiVersion: groupVersion(kind.group, kind.version), kind: kind.kind }).slice(0, -1);
  return ({ json }) => (json.startsWith(`${head},`) ? `{${json.slice(head.length + 1)}` : json);
}

function itemOf(kind: ResourceKind, object: KubeObject): Partial<KubeObject> {
  if (kind.definition) return object;
  const { apiVersion: _, kind: _kind, ...item } = object;
  return item;
}

/** Answers with a list, in the shape asked for. */
export async function writeList(call: Call, page: Page): Promise<void> {
  const { api, target, query, request, response } = call;
  const { kind } = target;
  const format = negotiate(request.headers.accept, ["Table", "PartialObjectMetadataList"]);
  const metadata = listMetadata(page, kind, format.as === undefined);
  if (format.as === undefined && format.encoding === "json" && !kind.convert) {
    // The objects' wire text is kept: a list is put together from it.
    const head = JSON.stringify({ ...listHead(kind), metadata }).slice(0, -1);
    const body = `${head},"items":[${page.items.map(itemText(kind)).join(",")}]}`;
    writeText(response, 200, "application/json", body);
    return;
  }
  const objects = page.items.map((stored) => fromStored(kind, stored.object));
  if (format.as === "Table") {
    return writeValue(response, 200, format, { ...table(api, kind, objects, query, format), metadata });
  }
  if (format.as === "PartialObjectMetadataList") {
    const version = format.version ?? "v1";
    const items = objects.map((object) => metadataOnly(object, version));
    const head = { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${version}` };
    return writeValue(response, 200, format, { ...head, metadata, items: items.length > 0 ? items : null });
  }
  const items = objects.map((object) => itemOf(kind, object));
  return writeValue(response, 200, format, { ...listHead(kind), metadata, items });
}

/** How a watch writes its objects: the kept wire text whenever the client takes plain objects. */
export function watchWriter(
  api: Api,
  kind: ResourceKind,
  request: IncomingMessage,
  query: URLSearchParams,
): WatchWriter {
  const format = negotiate(request.headers.accept, ["Table", "PartialObjectMetadata"]);
  const contentType = "application/json";
  if (format.as === "Table") {
    let first = true;
    return {
      contentType,
      render(object) {
        const made = table(api, kind, [object], query, format);
        const metadata = { resourceVersion: object.metadata.resourceVersion };
        // Column definitions go out once a watch.
        const value = { ...made, columnDefinitions: first ? made.columnDefinitions : null, metadata };
        first = false;
        return JSON.stringify(value);
      },
    };
  }
  if (format.as === "PartialObjectMetadata") {
    return { contentType, render: (object) => JSON.stringify(metadataOnly(object, format.version ?? "v1")) };
  }
  return { contentType, render: (object, json) => json ?? JSON.stringify(object) };
}
