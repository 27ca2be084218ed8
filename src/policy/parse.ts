import { CLUSTER_NAME } from "../model/addresses.ts";
import { WILDCARD } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { ruleToApi } from "./api-form.ts";
import { Field } from "./field.ts";
import { PeerReader, type Peers } from "./parse-peers.ts";
import { parseIcmps, parseToPorts } from "./parse-ports.ts";
import { parseSelector, type WrittenSelector } from "./parse-selector.ts";
import type { FieldError, PeerRule, PolicyKey, PortRule, Rule } from "./rule.ts";
import { parsePolicyLabels, policyLabels, type RuleLabel, ruleLabelText } from "./rule-labels.ts";
import { type Scope, scopeSubject, selectsInit, toLabelSelector } from "./scope.ts";

export type ParseResult =
  | { readonly ok: true; readonly key: PolicyKey; readonly rules: readonly Rule[] }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

export interface ParseOptions {
  /** Name of this cluster, for the entity `cluster`. */
  readonly clusterName?: string;
  /** Whether peers without a cluster in their selector are sought in this cluster alone (Cilium's default: yes). */
  readonly localClusterOnly?: boolean;
}

const KINDS = ["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];

const SECTIONS: readonly { readonly name: string; readonly direction: Direction; readonly deny: boolean }[] = [
  { name: "ingress", direction: "ingress", deny: false },
  { name: "ingressDeny", direction: "ingress", deny: true },
  { name: "egress", direction: "egress", deny: false },
  { name: "egressDeny", direction: "egress", deny: true },
];

/**
 * Reads a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy object. Never throws: all that is wrong with it, fields
 * that are not supported or not known included, is in `errors`, and then none of it may be used.
 */
export function parseCiliumNetworkPolicy(object: unknown, options: ParseOptions = {}): ParseResult {
  const errors: FieldError[] = [];
  const root = new Field("", errors);
  const header = readHeader(object, root);
  if (header === undefined || errors.length > 0) return { ok: false, errors };
  const rules = readSpecs(object as Record<string, unknown>, root, header, options);
  return errors.length > 0 ? { ok: false, errors } : { ok: true, key: header, rules };
}

/** Kind, name, namespace and uid; also refuses fields that no policy object has. */
function readHeader(object: unknown, at: Field): PolicyKey | undefined {
  let kind = "";
  let metadata: Record<string, unknown> = {};
  const ignore = () => {};
  const isRead = at.object(object, {
    apiVersion: (value, field) => {
      if (value !== "cilium.io/v2") field.refuse("not a policy version", "use cilium.io/v2", value);
    },
    kind: (value, field) => {
      if (KINDS.includes(value as string)) kind = value as string;
      else field.refuse("not a policy kind", `use one of: ${KINDS.join(", ")}`, value);
    },
    metadata: (value, field) => {
      if (typeof value === "object" && !Array.isArray(value)) metadata = value as Record<string, unknown>;
      else field.refuse("must be an object", undefined, value);
    },
    spec: ignore,
    specs: ignore,
    status: ignore,
  });
  if (!isRead) return undefined;
  if (kind === "") at.child("kind").refuse("is required");
  const text = (name: string) => (typeof metadata[name] === "string" ? metadata[name] : "");
  const name = text("name");
  if (name === "") at.child("metadata").child("name").refuse("is required");
  const isClusterwide = kind === "CiliumClusterwideNetworkPolicy";
  if (isClusterwide && text("namespace") !== "")
    at.child("metadata").child("namespace").refuse("a clusterwide policy has none");
  return { kind, namespace: isClusterwide ? "" : text("namespace") || "default", name, uid: text("uid") };
}

function readSpecs(object: Record<string, unknown>, root: Field, key: PolicyKey, options: ParseOptions): Rule[] {
  const { spec = null, specs = null } = object;
  if (spec === null && specs === null) root.child("spec").refuse("the policy is empty", "write `spec` or `specs`");
  const rules: (Rule | undefined)[] = [];
  if (spec !== null) rules.push(parseRule(spec, root.child("spec"), key, options));
  if (specs !== null) {
    rules.push(...(root.child("specs").list(specs, (value, at) => parseRule(value, at, key, options)) ?? []));
  }
  return rules.filter((rule) => rule !== undefined);
}

function parseRule(value: unknown, at: Field, key: PolicyKey, options: ParseOptions): Rule | undefined {
  const elements: PeerRule[] = [];
  let labels: readonly RuleLabel[] = [];
  const enable: { ingress?: boolean; egress?: boolean } = {};
  const subject = readSubject(value, at.child("endpointSelector"));
  const scope = scopeOf(key, subject, options);
  const section = ({ direction, deny }: (typeof SECTIONS)[number]) => {
    return (content: unknown, field: Field) => {
      elements.push(
        ...(field.list(content, (element, item) => parseElement(element, item, direction, deny, scope)) ?? []),
      );
    };
  };
  const isRead = at.object(
    value,
    {
      endpointSelector: () => {},
      ...Object.fromEntries(SECTIONS.map((each) => [each.name, section(each)])),
      labels: (content, field) => {
        labels = parsePolicyLabels(content, field);
      },
      enableDefaultDeny: (content, field) => readDefaultDeny(content, field, enable),
      description: (content, field) => {
        field.text(content);
      },
    },
    {
      nodeSelector: "select pods with endpointSelector; there is no host firewall here",
      log: "leave it out; flows name their policy anyway",
    },
  );
  if (!isRead) return undefined;
  checkSections(value as Record<string, unknown>, at);
  if (subject === undefined) return undefined;
  const all = policyLabels(key, labels);
  const defaultDeny = {
    ingress: enable.ingress ?? elements.some(({ direction }) => direction === "ingress"),
    egress: enable.egress ?? elements.some(({ direction }) => direction === "egress"),
  };
  const scopedSubject = scopeSubject(subject, key.namespace);
  const api = ruleToApi(value as Record<string, unknown>, { subject: scopedSubject, scope, labels: all, defaultDeny });
  return { subject: toLabelSelector(scopedSubject), elements, defaultDeny, labels: all.map(ruleLabelText), api };
}

function scopeOf(key: PolicyKey, subject: WrittenSelector | undefined, options: ParseOptions): Scope {
  const entityCluster = options.clusterName ?? CLUSTER_NAME;
  const cluster = options.localClusterOnly === false ? "" : entityCluster;
  return {
    namespace: key.namespace,
    cluster,
    entityCluster,
    selectsInit: subject !== undefined && selectsInit(subject),
  };
}

function readSubject(rule: unknown, at: Field): WrittenSelector | undefined {
  if (typeof rule !== "object" || rule === null || Array.isArray(rule)) return undefined;
  const { endpointSelector = null, nodeSelector = null } = rule as Record<string, unknown>;
  if (endpointSelector !== null) return parseSelector(endpointSelector, at);
  if (nodeSelector === null) at.refuse("is required", "write `endpointSelector: {}` for every pod");
  return undefined;
}

/** A rule without a single element says nothing and is a mistake. */
function checkSections(rule: Record<string, unknown>, at: Field): void {
  const isFilled = SECTIONS.some(
    ({ name }) => !Array.isArray(rule[name] ?? []) || (rule[name] as unknown[] | null)?.length,
  );
  if (isFilled) return;
  at.refuse(
    "a rule needs at least one of ingress, ingressDeny, egress, egressDeny",
    "to deny all ingress write `ingress: [{}]`",
  );
}

function readDefaultDeny(value: unknown, at: Field, enable: { ingress?: boolean; egress?: boolean }): void {
  const direction = (name: Direction) => (content: unknown, field: Field) => {
    const flag = field.flag(content);
    if (flag !== undefined) enable[name] = flag;
  };
  at.object(value, { ingress: direction("ingress"), egress: direction("egress") });
}

function parseElement(
  value: unknown,
  at: Field,
  direction: Direction,
  deny: boolean,
  scope: Scope,
): PeerRule | undefined {
  const reader = new PeerReader(direction, scope);
  let toPorts: readonly PortRule[] = [];
  let icmps: readonly PortRule[] = [];
  const isRead = at.object(
    value,
    {
      ...reader.fields(),
      toPorts: (content, field) => {
        toPorts = parseToPorts(content, field, deny) ?? [];
      },
      icmps: (content, field) => {
        icmps = parseIcmps(content, field) ?? [];
      },
    },
    { ...reader.refused(deny), authentication: "leave it out; there is no mutual authentication here" },
  );
  if (!isRead) return undefined;
  const peers = reader.finish(at);
  if (toPorts.length > 0 && icmps.length > 0)
    at.child("icmps").refuse("cannot stand beside toPorts", "write one element for each");
  const ports = [...toPorts, ...icmps];
  const element = { direction, deny, peers: selectorsOf(peers, ports.length > 0), path: at.path };
  return ports.length > 0 ? { ...element, ports } : element;
}

/** No peer field at all means any peer, but only together with ports: `{}` selects nobody. */
function selectorsOf(peers: Peers, hasPorts: boolean): PeerRule["peers"] {
  if (peers.hasEmptyList) return [];
  if (peers.present.length > 0) return peers.selectors;
  return hasPorts ? [WILDCARD] : [];
}
