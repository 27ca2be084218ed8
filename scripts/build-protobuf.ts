/**
 * Writes src/kube/server/protobuf/messages.json: the numbers, names and types of the fields of Kubernetes' messages, taken as facts from
 * the field tags of the published Go modules. Run it when a version or the kinds below change: `node scripts/build-protobuf.ts`,
 * with Go on the path. With `--check` nothing is written: it fails when the file differs.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

const API = "k8s.io/api@v0.34.0";
const MACHINERY = "k8s.io/apimachinery@v0.34.0";

/** Our prefix of each package that is read, and where it lies. */
const PACKAGES: Readonly<Record<string, { readonly module: string; readonly path: string; readonly version: string }>> =
  {
    core: { module: API, path: "core/v1", version: "v1" },
    apps: { module: API, path: "apps/v1", version: "apps/v1" },
    authn: { module: API, path: "authentication/v1", version: "authentication.k8s.io/v1" },
    authz: { module: API, path: "authorization/v1", version: "authorization.k8s.io/v1" },
    autoscaling: { module: API, path: "autoscaling/v1", version: "autoscaling/v1" },
    autoscaling2: { module: API, path: "autoscaling/v2", version: "autoscaling/v2" },
    batch: { module: API, path: "batch/v1", version: "batch/v1" },
    coord: { module: API, path: "coordination/v1", version: "coordination.k8s.io/v1" },
    disc: { module: API, path: "discovery/v1", version: "discovery.k8s.io/v1" },
    events: { module: API, path: "events/v1", version: "events.k8s.io/v1" },
    net: { module: API, path: "networking/v1", version: "networking.k8s.io/v1" },
    policy: { module: API, path: "policy/v1", version: "policy/v1" },
    rbac: { module: API, path: "rbac/v1", version: "rbac.authorization.k8s.io/v1" },
    sched: { module: API, path: "scheduling/v1", version: "scheduling.k8s.io/v1" },
    meta: { module: MACHINERY, path: "pkg/apis/meta/v1", version: "v1" },
  };

/** What may come as a body. */
const ROOTS: Readonly<Record<string, readonly string[]>> = {
  core: [
    "Namespace",
    "Node",
    "Pod",
    "Service",
    "Endpoints",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Event",
    "Binding",
    "LimitRange",
    "PersistentVolumeClaim",
    "ResourceQuota",
  ],
  apps: ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "ControllerRevision"],
  batch: ["Job", "CronJob"],
  rbac: ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
  authn: ["TokenRequest", "TokenReview", "SelfSubjectReview"],
  authz: ["SubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "LocalSubjectAccessReview"],
  policy: ["Eviction", "PodDisruptionBudget"],
  coord: ["Lease"],
  disc: ["EndpointSlice"],
  net: ["Ingress", "IngressClass", "NetworkPolicy"],
  events: ["Event"],
  autoscaling: ["Scale"],
  autoscaling2: ["HorizontalPodAutoscaler"],
  sched: ["PriorityClass"],
  meta: ["DeleteOptions"],
};

/** Go's words for what the decoder reads by itself. */
const LEAVES: Readonly<Record<string, string>> = {
  string: "s",
  "[]byte": "b",
  int: "i",
  int32: "i",
  int64: "i",
  uint32: "i",
  bool: "t",
  "types.UID": "s",
  "types.NodeName": "s",
  "runtime.RawExtension": "R",
  "metav1.Time": "T",
  "meta.Time": "T",
  "metav1.MicroTime": "U",
  "metav1.Duration": "D",
  "resource.Quantity": "Q",
  "intstr.IntOrString": "I",
  "meta.FieldsV1": "F",
};
/** Where a package's own words for others lead. */
const ALIASES: Readonly<Record<string, string>> = { v1: "core", metav1: "meta", corev1: "core", apiv1: "core" };

function folderOf(module: string): string {
  const answer = execFileSync("go", ["mod", "download", "-json", module], { encoding: "utf8" });
  return (JSON.parse(answer) as { Dir: string }).Dir;
}

interface Source {
  /** Bodies of structs by name. */
  readonly structs: ReadonlyMap<string, string>;
  /** What a name stands for that is no struct: `type ResourceList map[ResourceName]resource.Quantity`. */
  readonly others: ReadonlyMap<string, string>;
}

function readPackage(folder: string): Source {
  const files = readdirSync(folder).filter((name) => name.endsWith(".go") && !/_test|generated|zz_/.test(name));
  const text = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  const structs = new Map(
    [...text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => [name!, body!]),
  );
  const others = new Map(
    [...text.matchAll(/^type (\w+) ((?!struct|interface|func)\S+)/gm)].map(([, name, type]) => [name!, type!]),
  );
  return { structs, others };
}

const folders = new Map([API, MACHINERY].map((module) => [module, folderOf(module)]));
const sources = new Map(
  Object.entries(PACKAGES).map(([prefix, { module, path }]) => [prefix, readPackage(join(folders.get(module)!, path))]),
);

interface FieldType {
  readonly shape: "" | "[]" | "{}";
  readonly type: string;
}

/** The type of a field in the words of the table. Throws on one that the table has no word for. */
function typeOf(prefix: string, go: string): FieldType {
  if (LEAVES[go] !== undefined) return { shape: "", type: LEAVES[go] };
  if (go.startsWith("*")) return typeOf(prefix, go.slice(1));
  if (go.startsWith("[]")) return { shape: "[]", type: typeOf(prefix, go.slice(2)).type };
  const map = /^map\[\w+\](.*)$/.exec(go);
  if (map) return { shape: "{}", type: typeOf(prefix, map[1]!).type };
  const [place, name] = go.includes(".") ? [ALIASES[go.split(".")[0]!], go.split(".")[1]!] : [prefix, go];
  if (place === undefined) throw new Error(`${prefix}: no word for ${go}`);
  const leaf = LEAVES[`${place}.${name}`];
  if (leaf !== undefined) return { shape: "", type: leaf };
  const source = sources.get(place);
  if (source?.structs.has(name)) return { shape: "", type: `${place}.${name}` };
  const other = source?.others.get(name);
  if (other === undefined) throw new Error(`${prefix}: ${go} is not declared`);
  // a list of texts that stands as one value of a map
  return other === "[]string" ? { shape: "", type: "E" } : typeOf(place, other);
}

function fieldText(prefix: string, go: string, tag: string): string | undefined {
  const number = /protobuf:"[^"]*?,(\d+),/.exec(tag)?.[1];
  const json = /json:"([^"]*)"/.exec(tag)?.[1];
  if (number === undefined || json === undefined) return undefined;
  const [jsonName = "", ...options] = json.split(",");
  const { shape, type } = typeOf(prefix, go);
  const inline = options.includes("inline");
  const isKept = inline || !options.includes("omitempty") || go.startsWith("*");
  return `${number}${shape}${isKept ? "!" : ""} ${inline ? "" : jsonName} ${type}`;
}

/** A message's fields and the messages that they hold. */
function messageText(message: string): { readonly text: string; readonly held: readonly string[] } {
  const [prefix, name] = message.split(".") as [string, string];
  const body = sources.get(prefix)!.structs.get(name)!;
  const lines = [...body.matchAll(/^\t(?:\w+ +)?([\w.*[\]]+) +`([^`]*)`/gm)];
  const fields = lines.flatMap(([, go, tag]) => fieldText(prefix, go!, tag!) ?? []);
  const held = fields.map((field) => field.split(" ")[2]!).filter((type) => type.includes("."));
  return { text: fields.join(";"), held };
}

const messages: Record<string, string> = {};
const queue = Object.entries(ROOTS).flatMap(([prefix, kinds]) => kinds.map((kind) => `${prefix}.${kind}`));
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (messages[name] !== undefined) continue;
  const { text, held } = messageText(name);
  messages[name] = text;
  queue.push(...held);
}
const kinds = Object.fromEntries(
  Object.entries(ROOTS).flatMap(([prefix, names]) =>
    names.map((name) => [`${PACKAGES[prefix]!.version} ${name}`, `${prefix}.${name}`]),
  ),
);
const table = { kinds, messages: Object.fromEntries(Object.entries(messages).sort(([a], [b]) => (a < b ? -1 : 1))) };
const path = join(import.meta.dirname, "../src/kube/server/protobuf/messages.json");
if (process.argv.includes("--check")) {
  if (!isDeepStrictEqual(JSON.parse(readFileSync(path, "utf8")), table)) throw new Error(`${path} differs`);
} else writeFileSync(path, `${JSON.stringify(table, null, 2)}\n`);
