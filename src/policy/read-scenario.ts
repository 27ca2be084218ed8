import { parseCidr } from "../model/cidr.ts";
import { MAX_PORT } from "../model/port.ts";
import { hasPorts } from "../model/protocol.ts";
import { Field, isObject, noFindings } from "./field.ts";
import type { FieldError } from "./rule.ts";
import type { Scenario } from "./scenario-format.ts";

export type ReadScenario =
  | { readonly ok: true; readonly scenario: Scenario }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** Reads one value, and says what is wrong with it. */
type Read = (value: unknown, at: Field) => void;

const text: Read = (value, at) => void at.text(value);
const flag: Read = (value, at) => void at.flag(value);
const anything: Read = () => {};
const port: Read = (value, at) => void at.integer(value, 0, MAX_PORT);
const portOrName: Read = (value, at) => (typeof value === "string" ? undefined : port(value, at));
const identity: Read = (value, at) => void at.integer(value, 0, 2 ** 32 - 1);

/** Of a pod's port: one protocol, not all of them. */
const protocol: Read = (value, at) => {
  const name = at.text(value);
  if (name !== undefined && !hasPorts(name)) at.refuse("not a protocol", "use TCP, UDP or SCTP", name);
};

function checkCidr(value: string, at: Field): void {
  if (parseCidr(value) === undefined) at.refuse("not an address or prefix", "write 10.0.0.0/8 or 10.0.0.1", value);
}

const address: Read = (value, at) => {
  const name = at.text(value);
  if (name !== undefined) checkCidr(name, at);
};

function oneOf(...choices: readonly string[]): Read {
  return (value, at) => void at.choice(value, choices);
}

function listOf(read: Read): Read {
  return (value, at) => void at.list(value, (element, place) => read(element, place));
}

function mapOf(read: Read): Read {
  return (value, at) => {
    if (!isObject(value)) at.refuse("must be an object", "write `{name: value}`", value);
    else for (const [key, content] of Object.entries(value)) read(content, at.key(key));
  };
}

/** As `mapOf`, with addresses or prefixes for keys. */
function mapByCidr(read: Read): Read {
  return (value, at) => {
    mapOf(read)(value, at);
    if (isObject(value)) for (const key of Object.keys(value)) checkCidr(key, at.key(key));
  };
}

function object(readers: Readonly<Record<string, Read>>, ...required: readonly string[]): Read {
  return (value, at) => void at.object(value, readers, { required });
}

const texts = mapOf(text);

const config = object({
  enableIPv4: flag,
  enableIPv6: flag,
  policyMode: oneOf("default", "always", "never"),
  clusterName: text,
  allowLocalhost: oneOf("always", "policy", "auto"),
  hostFirewall: flag,
  cidrMatchMode: listOf(oneOf("nodes")),
  nodeSelectorLabels: flag,
  labels: listOf(text),
  wellKnownIdentities: flag,
  dumpEntries: flag,
  explain: flag,
});

const endpoint = object(
  {
    name: text,
    namespace: text,
    labels: texts,
    namespaceLabels: texts,
    serviceAccount: text,
    cluster: text,
    namedPorts: listOf(object({ name: text, port, protocol }, "name", "port")),
    ips: listOf(address),
    identity,
    rawLabels: listOf(text),
  },
  "name",
);

const query = object(
  {
    id: text,
    direction: oneOf("ingress", "egress", "both"),
    from: text,
    to: text,
    port: portOrName,
    proto: text,
    http: object({ method: text, path: text, host: text, headers: texts }),
    dns: text,
    sni: text,
  },
  "id",
  "from",
  "to",
);

const service = object(
  { name: text, namespace: text, labels: texts, selector: texts, backends: listOf(text) },
  "name",
  "namespace",
);

const scenario = object(
  {
    id: text,
    config,
    policies: listOf(anything),
    endpoints: listOf(endpoint),
    cidrLabels: mapByCidr(listOf(text)),
    fqdnCache: mapOf(listOf(address)),
    hostLabels: listOf(text),
    services: listOf(service),
    secrets: mapOf(texts),
    queries: listOf(query),
  },
  "id",
);

/**
 * Checks that a value, as JSON has it, is a scenario. A field that is null or absent counts as not there, a list as empty. What
 * the format does not know is refused: a misspelt field would else give another verdict in silence. Policies are not looked at.
 */
export function readScenario(value: unknown): ReadScenario {
  const findings = noFindings();
  scenario(value, new Field("", findings));
  if (findings.errors.length > 0) return { ok: false, errors: findings.errors };
  const given = present(value as Record<string, unknown>);
  const lists = { policies: [], endpoints: [], queries: [] };
  return { ok: true, scenario: { ...lists, ...given, ...presentParts(given) } as unknown as Scenario };
}

function presentParts(given: Record<string, unknown>): Record<string, unknown> {
  const parts: Record<string, unknown> = {};
  for (const name of ["endpoints", "queries", "services"]) {
    const list = given[name] as Record<string, unknown>[] | undefined;
    if (list?.some(hasNull)) parts[name] = list.map(present);
  }
  if (isObject(given["config"])) parts["config"] = present(given["config"]);
  return parts;
}

function hasNull(object: Record<string, unknown>): boolean {
  return Object.values(object).includes(null);
}

function present(object: Record<string, unknown>): Record<string, unknown> {
  return hasNull(object)
    ? Object.fromEntries(Object.entries(object).filter(([, content]) => content !== null))
    : object;
}
