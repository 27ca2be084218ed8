import type { IncomingMessage } from "node:http";
import type { KubeObject } from "../object.ts";
import type { ResourceRef } from "../resources.ts";
import type {
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  PatchOptions,
  WatchEvent,
  WatchOptions,
} from "./client.ts";
import { type Credentials, readKubeconfig } from "./kubeconfig.ts";
import { errorOf, readText, Transport } from "./transport.ts";

const PATCH_TYPES: Readonly<Record<PatchOptions["type"], string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

/** A kubeconfig file (or several, taken together), or a server with what proves who we are (PEM texts). */
export type ConnectOptions =
  | { readonly kubeconfig: string | readonly string[]; readonly context?: string }
  | Credentials;

/** The path of a resource's collection, or of one object below it. */
function resourcePath(ref: ResourceRef, namespace: string | undefined, ...below: readonly string[]): string {
  const root = ref.group === "" ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`;
  const scope = ref.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return [`${root}${scope}/${ref.resource}`, ...below.map(encodeURIComponent)].join("/");
}

function queryText(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** A client of any Kubernetes API server. Nothing is sent before the first call. */
export function connect(options: ConnectOptions): KubeClient {
  const credentials = (): Promise<Credentials> =>
    "kubeconfig" in options ? readKubeconfig(options.kubeconfig, options.context) : Promise.resolve(options);
  return new HttpsClient(new Transport(credentials));
}

class HttpsClient implements KubeClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async raw(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<unknown> {
    const payload = body === undefined ? {} : { body: JSON.stringify(body), contentType };
    const response = await this.#transport.send({ method, path, ...payload });
    const text = await readText(response);
    const isJson = (response.headers["content-type"] ?? "").startsWith("application/json");
    return isJson && text !== "" ? JSON.parse(text) : text;
  }

  async #object(method: string, path: string, body?: unknown, contentType?: string): Promise<KubeObject> {
    return (await this.raw(method, path, body, contentType)) as KubeObject;
  }

  get(ref: ResourceRef, name: string, namespace?: string): Promise<KubeObject> {
    return this.#object("GET", resourcePath(ref, namespace, name));
  }

  async list(ref: ResourceRef, options: ListOptions = {}): Promise<ObjectList> {
    const { namespace, labelSelector, fieldSelector } = options;
    const path = resourcePath(ref, namespace) + queryText({ labelSelector, fieldSelector });
    const list = (await this.raw("GET", path)) as {
      apiVersion: string;
      kind: string;
      items: KubeObject[] | null;
      metadata: { resourceVersion: string };
    };
    // A real server leaves the type out of a list's items.
    const kind = list.kind.replace(/List$/, "");
    const items = (list.items ?? []).map((item) => (item.kind ? item : { ...item, apiVersion: list.apiVersion, kind }));
    return { items, resourceVersion: list.metadata.resourceVersion };
  }

  create(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.#object("POST", resourcePath(ref, object.metadata.namespace), object);
  }

  update(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.#object("PUT", resourcePath(ref, object.metadata.namespace, object.metadata.name), object);
  }

  updateStatus(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.#object("PUT", resourcePath(ref, object.metadata.namespace, object.metadata.name, "status"), object);
  }

  patch(ref: ResourceRef, name: string, patch: unknown, options: PatchOptions): Promise<KubeObject> {
    const { namespace, subresource, fieldManager, force } = options;
    const below = subresource === undefined ? [name] : [name, subresource];
    const path = resourcePath(ref, namespace, ...below) + queryText({ fieldManager, force });
    return this.#object("PATCH", path, patch, PATCH_TYPES[options.type]);
  }

  delete(ref: ResourceRef, name: string, options: DeleteOptions = {}): Promise<unknown> {
    const { namespace, ...rest } = options;
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...rest };
    return this.raw("DELETE", resourcePath(ref, namespace, name), body);
  }

  async *watch(ref: ResourceRef, options: WatchOptions): AsyncIterable<WatchEvent> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, signal } = options;
    const query = queryText({ watch: true, allowWatchBookmarks: true, resourceVersion, labelSelector, fieldSelector });
    try {
      const path = resourcePath(ref, namespace) + query;
      const response = await this.#transport.send({ method: "GET", path, signal, stream: true });
      options.onOpen?.();
      for await (const line of linesOf(response)) yield parseEvent(line);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  close(): void {
    this.#transport.close();
  }
}

/** The lines of a stream as they come. */
async function* linesOf(response: IncomingMessage): AsyncIterable<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}

function parseEvent(line: string): WatchEvent {
  const event = JSON.parse(line) as { type: string; object: KubeObject };
  if (event.type === "ERROR") throw errorOf(500, JSON.stringify(event.object));
  return event as WatchEvent;
}
