/** Stories: seeded sequences of requests about the objects of one namespace, to be told to two API servers alike. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { Fields } from "../../src/kube/object.ts";
import { edited, jsonPatch, mergePatch, reduced, strategicPatch } from "./api-edits.ts";
import type { ApiRequest } from "./api-exchange.ts";
import { Random } from "./policy-scenarios-random.ts";

interface Manifest {
  readonly resource: string;
  readonly group: string;
  readonly object: Fields & { readonly metadata: Fields };
}

const text = readFileSync(new URL("./api-manifests.yaml", import.meta.url), "utf8");
export const MANIFESTS = parse(text) as readonly Manifest[];

/** The kind of one's own among the manifests. */
export const WIDGETS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
        schema: { openAPIV3Schema: widgetSchema() },
      },
    ],
  },
};

function widgetSchema(): Fields {
  const part = {
    type: "object",
    required: ["id"],
    properties: { id: { type: "string" }, weight: { type: "integer", minimum: 0, default: 5 } },
  };
  const text = { type: "array", items: { type: "string" } };
  const spec = {
    type: "object",
    properties: {
      size: { type: "integer", maximum: 100 },
      parts: { type: "array", items: part, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"] },
      tags: { ...text, "x-kubernetes-list-type": "set" },
      order: { ...text, "x-kubernetes-list-type": "atomic" },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  const status = { type: "object", properties: { phase: { type: "string" } } };
  return { type: "object", properties: { spec, status } };
}

const OWNERS = ["alice", "bob", "kubectl"];
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

const query = (fields: Record<string, string | undefined>): string => {
  const given = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
};

/** One story's teller: what it asks depends on the seed alone. */
class Teller {
  readonly #random: Random;
  readonly #manifest: Manifest;
  readonly #collection: string;
  readonly #object: Manifest["object"];

  constructor(random: Random, manifest: Manifest, namespace: string) {
    this.#random = random;
    this.#manifest = manifest;
    this.#object = JSON.parse(JSON.stringify(manifest.object).replaceAll("NAMESPACE", namespace)) as Manifest["object"];
    const { apiVersion } = manifest.object;
    const root = manifest.group === "" ? "/api/v1" : `/apis/${apiVersion}`;
    this.#collection = `${root}/namespaces/${namespace}/${manifest.resource}`;
  }

  #options(): Record<string, string | undefined> {
    const random = this.#random;
    return {
      fieldManager: random.pick([...OWNERS, undefined]),
      fieldValidation: random.pick(["Strict", "Warn", "Ignore", undefined, undefined]),
      dryRun: random.percent(8) ? "All" : undefined,
    };
  }

  #named(fields: Record<string, string | undefined> = {}, below = ""): string {
    const name = this.#random.percent(95) ? "one" : "two";
    return `${this.#collection}/${name}${below}${query(fields)}`;
  }

  create(wild: boolean): ApiRequest {
    const random = this.#random;
    let body = wild ? edited(random, this.#object, true) : this.#object;
    if (wild && random.percent(40)) body = edited(random, body, true);
    return { method: "POST", path: `${this.#collection}${query(this.#options())}`, body };
  }

  update(): ApiRequest {
    const body = edited(this.#random, this.#object, this.#random.percent(20));
    return { method: "PUT", path: this.#named(this.#options()), body };
  }

  patch(type: "json" | "merge" | "strategic"): ApiRequest {
    const make = { json: jsonPatch, merge: mergePatch, strategic: strategicPatch }[type];
    const media = { json: "json-patch", merge: "merge-patch", strategic: "strategic-merge-patch" }[type];
    const headers = { "Content-Type": `application/${media}+json` };
    return { method: "PATCH", path: this.#named(this.#options()), headers, body: make(this.#random, this.#object) };
  }

  apply(): ApiRequest {
    const random = this.#random;
    const changed = random.percent(60) ? edited(random, this.#object, random.percent(10)) : this.#object;
    const { metadata, apiVersion, kind, ...rest } = reduced(random, changed);
    const body = { apiVersion, kind, metadata: { ...metadata, name: "one" }, ...rest };
    const options = { ...this.#options(), fieldManager: random.pick(OWNERS), force: random.pick(["true", undefined]) };
    const headers = { "Content-Type": "application/apply-patch+yaml" };
    return { method: "PATCH", path: `${this.#collection}/one${query(options)}`, headers, body };
  }

  read(): ApiRequest {
    const random = this.#random;
    const one = { method: "GET", path: this.#named() };
    const list = (fields: Record<string, string>) => ({ method: "GET", path: `${this.#collection}${query(fields)}` });
    const selector = random.pick(["app=a", "app!=a", "tier in (web,db)", "!tier", "app", "a=b=c", "x,,y"]);
    const field = random.pick([
      "metadata.name=one",
      "metadata.namespace!=x",
      "spec.nodeName=",
      "status.replicas=1",
      "nothing=1",
      "type=Opaque",
    ]);
    return random.one<ApiRequest>([
      [3, () => one],
      [2, () => ({ ...one, headers: { Accept: TABLE } })],
      [1, () => ({ ...one, headers: { Accept: METADATA } })],
      [2, () => ({ ...list({}), headers: { Accept: random.pick([TABLE, METADATA_LIST, "application/json"]) } })],
      [2, () => list({ labelSelector: selector })],
      [1, () => list({ fieldSelector: field })],
      [1, () => list({ limit: random.pick(["1", "0", "-1", "x"]) })],
    ]);
  }

  remove(): ApiRequest {
    const random = this.#random;
    const body = random.pick<unknown>([
      undefined,
      { propagationPolicy: random.pick(["Foreground", "Background", "Orphan", "Sideways"]) },
      { preconditions: { uid: "not-this-one" } },
      { gracePeriodSeconds: random.pick([0, 30]) },
      { kind: "DeleteOptions", apiVersion: "v1", dryRun: ["All"] },
    ]);
    return { method: "DELETE", path: this.#named(), body };
  }

  mistake(): ApiRequest {
    const random = this.#random;
    const collection = this.#collection;
    const { apiVersion, kind } = this.#object;
    return random.pick<ApiRequest>([
      { method: "POST", path: collection, body: "{not json" },
      { method: "POST", path: collection, body: "[]" },
      { method: "POST", path: collection, body: "" },
      {
        method: "POST",
        path: collection,
        body: "a=b",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
      },
      { method: "POST", path: collection, body: { apiVersion, kind: "Other", metadata: { name: "one" } } },
      // the real server never answers for a service without a name
      ...(kind === "Service" ? [] : [{ method: "POST", path: collection, body: { apiVersion, kind, metadata: {} } }]),
      {
        method: "POST",
        path: collection,
        body: { ...this.#object, metadata: { name: "one", namespace: "elsewhere" } },
      },
      { method: "POST", path: collection, body: { ...this.#object, metadata: { name: "one", resourceVersion: "1" } } },
      { method: "PUT", path: this.#named(), body: { ...this.#object, metadata: { name: "other" } } },
      { method: "PUT", path: this.#named(), body: { ...this.#object, metadata: { name: "one", uid: "x" } } },
      { method: "PATCH", path: this.#named(), body: {}, headers: { "Content-Type": "application/json" } },
      { method: "PATCH", path: this.#named(), body: "[", headers: { "Content-Type": "application/json-patch+json" } },
      { method: "PATCH", path: this.#named(), body: {}, headers: { "Content-Type": "application/apply-patch+yaml" } },
      { method: "POST", path: `${collection}/one`, body: this.#object },
      { method: "POST", path: `${collection}?dryRun=Some`, body: this.#object },
      { method: "POST", path: `${collection}?fieldValidation=Loose`, body: this.#object },
      { method: "GET", path: `${collection}/one/nothing` },
      { method: "GET", path: `${collection}s` },
      { method: "GET", path: `${collection}?resourceVersion=soon` },
      { method: "GET", path: `${collection}?continue=nonsense` },
      { method: "GET", path: `${collection}/one`, headers: { Accept: "image/png" } },
    ]);
  }

  status(): ApiRequest {
    const random = this.#random;
    const status = random.pick<Fields>([{ phase: "Running" }, { replicas: 1, observedGeneration: 1 }, { unknown: 1 }]);
    const headers = { "Content-Type": "application/merge-patch+json" };
    return { method: "PATCH", path: this.#named(this.#options(), "/status"), headers, body: { status } };
  }

  next(): ApiRequest {
    return this.#random.one<ApiRequest>([
      [2, () => this.create(false)],
      [1, () => this.create(true)],
      [2, () => this.update()],
      [2, () => this.patch("json")],
      [2, () => this.patch("merge")],
      [this.#manifest.group === "example.com" ? 1 : 4, () => this.patch("strategic")],
      [6, () => this.apply()],
      [2, () => this.read()],
      [1, () => this.status()],
      [1, () => this.remove()],
      [1, () => this.mistake()],
    ]);
  }
}

/** Of so many stories the real server's answers are kept. */
export const GOLDEN_STORIES = 60;

/** A story's namespace and its requests. Every kind has its turn. */
export function tellStory(seed: number, length = 12): { readonly namespace: string; readonly requests: ApiRequest[] } {
  const random = new Random(seed);
  const namespace = `story-${seed}`;
  const teller = new Teller(random, MANIFESTS[seed % MANIFESTS.length]!, namespace);
  const first = random.one<ApiRequest>([
    [3, () => teller.create(false)],
    [2, () => teller.apply()],
    [2, () => teller.create(true)],
  ]);
  return { namespace, requests: [first, ...random.list(length - 1, length - 1, () => teller.next())] };
}
