/**
 * Writes src/kube/schema/builtin.json and cilium.json: the names, types and constraints of API fields, taken as
 * facts from the published Go modules (no descriptions are carried over). Run it when a version below changes:
 * `node scripts/build-schema.ts`, with Go on the path. With `--check` nothing is written: it fails when the files differ.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse } from "yaml";
import { type GoField, GoTypes } from "./go-fields.ts";

const KUBERNETES = "k8s.io/kubernetes@v1.34.0";
const CILIUM = "github.com/cilium/cilium@v1.20.2";
/** The version that Cilium's module asks for. */
const NETWORK_POLICY_API = "sigs.k8s.io/network-policy-api@v0.2.0";

/** The kinds whose definitions, and all that they refer to, are carried. */
const ROOTS: Record<string, readonly string[]> = {
  "io.k8s.api.core.v1": [
    ...["Binding", "ConfigMap", "Endpoints", "Event", "Namespace", "Node", "Pod", "Secret", "Service"],
    ...["ServiceAccount", "LimitRange", "PersistentVolumeClaim", "ResourceQuota"],
  ],
  "io.k8s.api.apps.v1": ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
  "io.k8s.api.authentication.v1": ["SelfSubjectReview", "TokenRequest", "TokenReview"],
  "io.k8s.api.authorization.v1": [
    ...["LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"],
  ],
  "io.k8s.api.autoscaling.v1": ["Scale"],
  "io.k8s.api.autoscaling.v2": ["HorizontalPodAutoscaler"],
  "io.k8s.api.batch.v1": ["CronJob", "Job"],
  "io.k8s.api.coordination.v1": ["Lease"],
  "io.k8s.api.discovery.v1": ["EndpointSlice"],
  "io.k8s.api.events.v1": ["Event"],
  "io.k8s.api.networking.v1": ["Ingress", "IngressClass", "NetworkPolicy"],
  "io.k8s.api.policy.v1": ["Eviction", "PodDisruptionBudget"],
  "io.k8s.api.rbac.v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
  "io.k8s.api.scheduling.v1": ["PriorityClass"],
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": ["CustomResourceDefinition"],
  "io.k8s.apimachinery.pkg.apis.meta.v1": ["APIResourceList", "DeleteOptions", "Status", "WatchEvent"],
};

const CRDS = [
  "ciliumcidrgroups",
  "ciliumclusterwidenetworkpolicies",
  "ciliumendpoints",
  "ciliumidentities",
  "ciliumnetworkpolicies",
  "ciliumnodes",
];

type Json = { [key: string]: unknown };

interface Node {
  type?: string;
  format?: string;
  $ref?: string;
  items?: Node;
  additionalProperties?: Node;
  properties?: Record<string, Node>;
  required?: string[];
  [extension: string]: unknown;
}

function moduleFolder(module: string): string {
  const answer = execFileSync("go", ["mod", "download", "-json", module], { encoding: "utf8" });
  return (JSON.parse(answer) as { Dir: string }).Dir;
}

const refOf = (node: Node): string | undefined => node.$ref?.slice("#/definitions/".length);

/** The type part of the notation that src/kube/schema/notation.ts reads. */
function typeText(node: Node): string {
  const ref = refOf(node);
  if (ref) return `#${ref}`;
  if (node.type === "array") return `[]${typeText(node.items ?? {})}`;
  if (node.additionalProperties) return `{}${typeText(node.additionalProperties)}`;
  return node.format ? `${node.type}:${node.format}` : (node.type ?? "any");
}

/** How a field is written that holds its zero value: see src/kube/schema/notation.ts. */
function zeroText(node: Node, field: GoField | undefined): string[] {
  if (!field || field.type.startsWith("*")) return [];
  if (field.always) return ["always"];
  const isCollection = field.type.startsWith("[]") || field.type.startsWith("map[");
  if (refOf(node) && !isCollection) return ["held"];
  return isCollection || node.type === "object" || node.type === "array" ? [] : ["omit"];
}

function fieldText(node: Node, field: GoField | undefined, values: string | undefined): string {
  const words = [typeText(node), ...zeroText(node, field)];
  if (values !== undefined) words.push(`enum=${values}`);
  const keys = node["x-kubernetes-list-map-keys"] as string[] | undefined;
  const list = node["x-kubernetes-list-type"];
  if (keys) words.push(`list=map(${keys.join(",")})`);
  else if (list) words.push(`list=${list}`);
  if (node["x-kubernetes-map-type"]) words.push(`map=${node["x-kubernetes-map-type"]}`);
  if (node["x-kubernetes-patch-strategy"]) words.push(`patch=${node["x-kubernetes-patch-strategy"]}`);
  if (node["x-kubernetes-patch-merge-key"]) words.push(`key=${node["x-kubernetes-patch-merge-key"]}`);
  return words.join(" ");
}

const goTypes = new GoTypes(moduleFolder);

/** `pkg_apis_apiextensions_v1_X` and `k8sio_api_core_v1_X` as definitions are named. */
function definitionNamed(generated: string): string {
  const parts = generated.split("_");
  const home =
    parts[0] === "k8sio" ? ["io", "k8s", ...parts.slice(1)] : ["io", "k8s", "apiextensions-apiserver", ...parts];
  return home.join(".");
}

/** Which values fields may have, by definition and field: only the generated Go code says it. */
function enumsIn(file: string): Map<string, string> {
  const values = new Map<string, string>();
  let [name, field] = ["", ""];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const type = /^func schema_(\w+)\(/.exec(line)?.[1];
    if (type !== undefined) name = definitionNamed(type);
    field = /^\t{5}"(\w+)": \{$/.exec(line)?.[1] ?? field;
    const list = /^\t{7}Enum: +\[\]interface\{\}\{(.*)\},$/.exec(line)?.[1];
    if (list !== undefined) values.set(`${name}/${field}`, (JSON.parse(`[${list}]`) as string[]).join("|"));
  }
  return values;
}

const enums = enumsIn(join(moduleFolder(KUBERNETES), "pkg/generated/openapi/zz_generated.openapi.go"));

function definitionText(name: string, node: Node): Json {
  const kinds = (node["x-kubernetes-group-version-kind"] ?? []) as { group: string; version: string; kind: string }[];
  const text: Json = {};
  if (kinds.length === 1) {
    const { group, version, kind } = kinds[0]!;
    text.kind = [group, version, kind];
  }
  if (node.type !== "object" || !node.properties) text.type = typeText(node);
  if (node["x-kubernetes-map-type"]) text.map = node["x-kubernetes-map-type"];
  if (node.required) text.required = node.required;
  if (node.properties) {
    const written = new Map((goTypes.fieldsOf(name) ?? []).map((field) => [field.name, field]));
    const fields = Object.entries(node.properties).map(([key, field]) => [
      key,
      fieldText(field, written.get(key), enums.get(`${name}/${key}`)),
    ]);
    text.fields = Object.fromEntries(fields);
  }
  return text;
}

function references(node: Node): string[] {
  const children = [...Object.values(node.properties ?? {})];
  if (node.items) children.push(node.items);
  if (node.additionalProperties) children.push(node.additionalProperties);
  const own = refOf(node);
  return [...(own ? [own] : []), ...children.flatMap(references)];
}

function builtin(): Json {
  const file = join(moduleFolder(KUBERNETES), "api/openapi-spec/swagger.json");
  const { definitions } = JSON.parse(readFileSync(file, "utf8")) as { definitions: Record<string, Node> };
  const wanted = new Set<string>();
  const queue = Object.entries(ROOTS).flatMap(([prefix, kinds]) =>
    kinds.flatMap((kind) => [`${prefix}.${kind}`, `${prefix}.${kind}List`]).filter((name) => definitions[name]),
  );
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (wanted.has(name)) continue;
    wanted.add(name);
    queue.push(...references(definitions[name]!));
  }
  const entries = [...wanted].sort().map((name) => [name, definitionText(name, definitions[name]!)]);
  return { source: KUBERNETES, definitions: Object.fromEntries(entries) };
}

/** The schema without its prose; `named` is true inside `properties`, where a key is a field's name. */
function withoutProse(value: unknown, named = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutProse(item));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => named || key !== "description");
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutProse(item, key === "properties" && !named)]));
}

interface CrdVersion {
  schema: { openAPIV3Schema: Node };
}

interface Definition {
  metadata: Json;
  spec: { names: { shortNames?: string[] }; versions: CrdVersion[] };
}

function definitionIn(folder: string, name: string): Definition {
  const crd = withoutProse(parse(readFileSync(join(folder, `${name}.yaml`), "utf8"))) as Definition & {
    status?: unknown;
  };
  const { name: named, annotations } = crd.metadata as { name: string; annotations?: Record<string, string> };
  const approved = annotations?.["api-approved.kubernetes.io"];
  crd.metadata = { name: named, ...(approved ? { annotations: { "api-approved.kubernetes.io": approved } } : {}) };
  delete crd.status;
  return crd;
}

/** Policies of both scopes hold the same rule, once in `spec` and listed in `specs`: it is written once. */
function cilium(): Json {
  const folder = join(moduleFolder(CILIUM), "pkg/k8s/apis/cilium.io/client/crds/v2");
  let rule = "";
  const crds = CRDS.map((name) => {
    const crd = definitionIn(folder, name);
    for (const version of crd.spec.versions) {
      const fields = version.schema.openAPIV3Schema.properties ?? {};
      if (!fields.specs) continue;
      const texts = [JSON.stringify(fields.spec), JSON.stringify(fields.specs.items)];
      if (rule === "") rule = texts[0]!;
      if (texts.some((text) => text !== rule)) throw new Error(`${name}: its rules differ, so they cannot share one`);
      fields.spec = { $ref: "rule" };
      fields.specs.items = { $ref: "rule" };
    }
    return crd;
  });
  const tiers = join(moduleFolder(NETWORK_POLICY_API), "config/crd/standard");
  const tiered = definitionIn(tiers, "policy.networking.k8s.io_clusternetworkpolicies");
  // Its short name is `cnp` as well: kubectl would warn of it at every `get cnp`, which means Cilium's kind.
  delete tiered.spec.names.shortNames;
  crds.push(tiered);
  return { source: [CILIUM, NETWORK_POLICY_API], rule: JSON.parse(rule), crds };
}

const target = join(import.meta.dirname, "../src/kube/schema");
const files: Record<string, Json> = { "builtin.json": builtin(), "cilium.json": cilium() };

/** Says which files differ from what the modules hold; true when none does. */
function check(): boolean {
  const different = Object.entries(files).filter(
    ([name, wanted]) => !isDeepStrictEqual(JSON.parse(readFileSync(join(target, name), "utf8")), wanted),
  );
  for (const [name] of different)
    process.stderr.write(`${name} differs from ${KUBERNETES} or ${CILIUM}; run this script\n`);
  return different.length === 0;
}

if (process.argv.includes("--check")) process.exit(check() ? 0 : 1);
for (const [name, content] of Object.entries(files))
  writeFileSync(join(target, name), JSON.stringify(content, null, 2));
execFileSync("biome", ["format", "--write", target], { stdio: "inherit" });
