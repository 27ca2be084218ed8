/** Objects of every kind, made on an API server, and how it shows them: tables, and the objects as they are kept. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { type Fields, fieldsOf, type KubeObject, listOf } from "../../src/kube/object.ts";
import { ciliumCrds } from "../../src/kube/schema/index.ts";
import { comparable } from "./api-comparable.ts";
import type { ApiConnection, ApiRequest } from "./api-exchange.ts";
import { explained } from "./api-explained.ts";

type Shown = Fields & { readonly metadata: Fields & { readonly name: string }; readonly status?: Fields };

interface Collection {
  /** The path of the collection. */
  readonly at: string;
  /** Given where the server asks for it: of kinds of one's own. */
  readonly kind?: string;
  readonly objects: readonly Shown[];
}

const read = (name: string): readonly Collection[] =>
  parse(readFileSync(new URL(name, import.meta.url), "utf8")) as readonly Collection[];

export const COLLECTIONS = [
  ...read("./api-kinds.yaml"),
  ...read("./api-kinds-workloads.yaml"),
  ...read("./api-kinds-inert.yaml"),
];

const TABLE = { Accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
const MERGE = { "Content-Type": "application/merge-patch+json" };
/** Objects that are being deleted when they are looked at. */
const GOING = [
  "/api/v1/namespaces/ending",
  "/api/v1/namespaces/shown/pods/going",
  "/apis/batch/v1/namespaces/shown/jobs/going",
];
const LOOK_MS = 20;

async function refused(server: ApiConnection, request: ApiRequest): Promise<string[]> {
  const { code, text } = await server.ask(request);
  return code < 300 ? [] : [`${request.method} ${request.path} ${JSON.stringify(request.body)}: ${code} ${text}`];
}

async function served(server: ApiConnection, path: string): Promise<void> {
  for (let code = 0; code !== 200; await new Promise((next) => setTimeout(next, LOOK_MS)))
    ({ code } = await server.ask({ method: "GET", path }));
}

/** Definitions of Cilium's kinds; those of a group of Kubernetes' own ask to be approved. */
function definitions(): ApiRequest[] {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const annotations = { "api-approved.kubernetes.io": "https://example.com" };
  return ciliumCrds.map((definition) => {
    const metadata = { ...definition.metadata, annotations };
    return { method: "POST", path, body: { ...definition, metadata } };
  });
}

function requestsFor({ at, kind, objects }: Collection): ApiRequest[] {
  const [, , group, version] = at.split("/");
  const type = kind === undefined ? {} : { apiVersion: `${group}/${version}`, kind };
  return objects.flatMap(({ status, ...object }) => {
    const made: ApiRequest = { method: "POST", path: at, body: { ...type, ...object } };
    if (status === undefined) return [made];
    // of some kinds the status is a field as others are
    if (kind === "CiliumEndpoint") return [{ ...made, body: { ...type, ...object, status } }];
    return [made, { method: "PATCH", path: `${at}/${object.metadata.name}/status`, headers: MERGE, body: { status } }];
  });
}

/** Makes all objects, on a server where none of them is. What it does not accept is told. */
export async function makeKinds(server: ApiConnection): Promise<string[]> {
  const refusals: string[] = [];
  const ask = async (request: ApiRequest): Promise<void> => {
    refusals.push(...(await refused(server, request)));
  };
  for (const request of definitions()) await ask(request);
  for (const collection of COLLECTIONS) {
    await served(server, collection.at);
    for (const request of requestsFor(collection)) await ask(request);
  }
  for (const path of GOING) await ask({ method: "DELETE", path });
  return refusals;
}

/** How a server shows one collection: its table's columns, the cells of each object, the objects, and what their fields are. */
export interface ShownKind {
  readonly at: string;
  /** As `kubectl explain` lists them: path, type, whether it is required, what it may be. */
  readonly fields: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly objects: readonly unknown[];
}

/** What is shown otherwise here, and why: taken from both sides before they are compared. */
const SHOWN_OTHERWISE: readonly {
  readonly at: RegExp;
  readonly why: string;
  readonly drop: (object: Fields) => void;
}[] = [
  {
    at: /nodes$/,
    why: "a new node is not tainted as not ready: nothing schedules to one before its kubelet says that it is",
    drop: ({ spec }) => drop(fieldsOf(spec), "taints", ({ key }) => key === "node.kubernetes.io/not-ready"),
  },
  {
    at: /customresourcedefinitions$/,
    why: "a definition is in force when it is stored: nobody else writes its status, and so manages it",
    drop: ({ metadata }) => drop(fieldsOf(metadata), "managedFields", ({ subresource }) => subresource === "status"),
  },
  {
    at: /persistentvolumeclaims$/,
    why: "no volume is there to be protected while a pod uses it",
    drop: ({ metadata }) => delete fieldsOf(metadata).finalizers,
  },
  {
    at: /endpointslices$/,
    why: "who writes an empty list of endpoints does not manage it: empty and absent are one when it is stored",
    drop: ({ metadata }) => {
      const [entry] = listOf(fieldsOf(metadata).managedFields).map(fieldsOf);
      delete fieldsOf(entry?.fieldsV1)["f:endpoints"];
    },
  },
];

function drop(from: Fields, list: string, which: (item: Fields) => boolean): void {
  const left = listOf(from[list]).filter((item) => !which(fieldsOf(item)));
  if (left.length > 0) from[list] = left;
  else delete from[list];
}

/** What is compared of a collection, and what of it is kept: of the fields, which are many, a hash. */
export function comparableKind(kind: ShownKind): ShownKind {
  const objects = structuredClone(kind.objects).map(fieldsOf);
  for (const { at, drop } of SHOWN_OTHERWISE) if (at.test(kind.at)) objects.forEach(drop);
  return { ...kind, objects };
}

export function keptKind(kind: ShownKind): object {
  const fields = createHash("sha256").update(kind.fields.join("\n")).digest("hex");
  return { ...comparableKind(kind), fields: `${kind.fields.length} ${fields.slice(0, 16)}` };
}

const nameOf = (object: unknown): string => (object as KubeObject).metadata.name;

/** The collection at a path; of its objects only those that were made here. */
async function shown(server: ApiConnection, { at, objects }: Collection): Promise<ShownKind> {
  const made = new Set(objects.map(nameOf));
  const [table, list] = [
    await server.ask({ method: "GET", path: at, headers: TABLE }),
    await server.ask({ method: "GET", path: at }),
  ].map((answer) => fieldsOf(comparable(answer).body));
  // the names of columns, and what programs know of them: their descriptions are prose
  const columns = listOf(table!.columnDefinitions)
    .map(fieldsOf)
    .map(({ name, type, format, priority }) => `${name} ${type} ${format} ${priority}`);
  const rows = listOf(table!.rows)
    .map(fieldsOf)
    .filter(({ object }) => made.has(nameOf(object)))
    .map(({ cells }) => listOf(cells));
  const fields = await explained(server, at, String(list!.kind).replace(/List$/, ""));
  return { at, fields, columns, rows, objects: listOf(list!.items).filter((item) => made.has(nameOf(item))) };
}

/** All collections, in their order. */
export async function* shownKinds(server: ApiConnection): AsyncGenerator<ShownKind> {
  for (const collection of COLLECTIONS) yield await shown(server, collection);
}
