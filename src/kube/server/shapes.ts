import type { IncomingMessage } from "node:http";
import { groupVersion, type KubeObject, type ObjectMeta } from "../object.ts";
import { cellsOf, type Table, toTable } from "../printers/index.ts";
import type { Stored } from "../storage/store.ts";
import type { Call } from "./call.ts";
import { type Api, fromStored } from "./context.ts";
import type { ResourceKind } from "./kind.ts";
import { type Format, negotiate } from "./negotiate.ts";
import { listHead, metadataOnly, writePieces, writeValue } from "./respond.ts";
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

/** An object's text without the end, so that more may follow. */
const openText = (value: object): string => JSON.stringify(value).slice(0, -1);

/** What one item of a list looks like: the kept wire text. Items of built-in kinds do not say what they are: their list does. */
function itemText(kind: ResourceKind): (stored: Stored) => string {
  const whole = ({ object, json }: Stored): string => (kind.convert ? JSON.stringify(fromStored(kind, object)) : json);
  if (kind.definition) return whole;
  const head = `${openText({ apiVersion: groupVersion(kind.group, kind.version), kind: kind.kind })},`;
  return (stored) => {
    const text = whole(stored);
    return text.startsWith(head) ? `{${text.slice(head.length)}` : text;
  };
}

/** The text of metadata, kept as long as they are: rows and partial objects are put together from it. */
const metadataTexts = new WeakMap<ObjectMeta, string>();

function metadataText(metadata: ObjectMeta): string {
  const text = metadataTexts.get(metadata) ?? JSON.stringify(metadata);
  metadataTexts.set(metadata, text);
  return text;
}

function partialText(version: string): (object: KubeObject) => string {
  const head = openText({ kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}` });
  return ({ metadata }) => `${head},"metadata":${metadataText(metadata)}}`;
}

/** The rows of a table, one after another; what kubectl asks for is put together from kept texts. */
function rowText(api: Api, kind: ResourceKind, query: URLSearchParams, format: Format): (object: KubeObject) => string {
  if ((query.get("includeObject") ?? "Metadata") !== "Metadata")
    return (object) => JSON.stringify(table(api, kind, [object], query, format).rows[0]);
  const cells = cellsOf(kind, api.now());
  const partial = partialText("v1");
  return (object) => `{"cells":${JSON.stringify(cells(object))},"object":${partial(object)}}`;
}

/** The text of a list: its head, then one text an item, under the name that lists of this shape have for them. */
function* listText(head: object, name: "items" | "rows", page: Page, text: (item: Stored) => string) {
  yield `${openText(head)},"${name}":[`;
  let before = "";
  for (const item of page.items) {
    yield before + text(item);
    before = ",";
  }
  yield "]}";
}

function listPieces({ api, target, query }: Call, page: Page, format: Format): Iterable<string> {
  const { kind } = target;
  const metadata = listMetadata(page, kind, format.as === undefined);
  const shown = (stored: Stored): KubeObject => fromStored(kind, stored.object);
  if (format.as === "Table") {
    const { rows: _, ...head } = { ...table(api, kind, [], query, format), metadata };
    const row = rowText(api, kind, query, format);
    return listText(head, "rows", page, (stored) => row(shown(stored)));
  }
  if (format.as === "PartialObjectMetadataList") {
    const version = format.version ?? "v1";
    const head = { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${version}`, metadata };
    const partial = partialText(version);
    return page.items.length === 0
      ? [JSON.stringify({ ...head, items: null })]
      : listText(head, "items", page, (stored) => partial(shown(stored)));
  }
  const item = itemText(kind);
  return listText({ ...listHead(kind), metadata }, "items", page, item);
}

/** Answers with a list, in the shape asked for. */
export async function writeList(call: Call, page: Page): Promise<void> {
  const { request, response } = call;
  const format = negotiate(request.headers.accept, ["Table", "PartialObjectMetadataList"]);
  const pieces = listPieces(call, page, format);
  if (format.encoding === "json") return writePieces(response, 200, pieces);
  return writeValue(response, 200, format, JSON.parse([...pieces].join("")));
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
