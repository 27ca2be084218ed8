import type { Labels } from "../model/label.ts";
import { protocolNumber } from "../model/protocol.ts";
import type { NamedPort as NumberedPort } from "../policy/named-ports.ts";
import { labelsOutside, outsidePrefixes } from "../policy/outside-labels.ts";
import { parseCidrGroup, parsePolicy } from "../policy/parse.ts";
import { Repository } from "../policy/repository.ts";
import { resolveEndpointPolicy } from "../policy/resolve.ts";
import type { FieldError, PolicyKey } from "../policy/rule.ts";
import type { NamedPort } from "./cilium-endpoint.ts";
import { unenforceable } from "./enforceable.ts";
import type { PolicyEngine } from "./ports.ts";

function describe({ field, message, mend }: FieldError): string {
  return `${field}: ${message}${mend === undefined ? "" : `; ${mend}`}`;
}

function numbered(ports: readonly NamedPort[]): readonly NumberedPort[] {
  return ports.flatMap(({ name, port, protocol }) => {
    const number = protocolNumber(protocol);
    return number === undefined ? [] : [{ name, port, protocol: number }];
  });
}

/** IPv4 alone: there are no addresses of the other family here. The whole address space is the world, with a number of its own. */
function outsideOf(
  repository: Repository,
  given: Iterable<readonly [prefix: string, labels: Labels]>,
): ReadonlyMap<string, Labels> {
  const prefixes = outsidePrefixes(repository, given);
  const own = [...prefixes].filter(([, { cidr }]) => cidr.family === 4 && cidr.length > 0);
  return new Map(own.map(([prefix, { cidr }]) => [prefix, labelsOutside(cidr, prefixes, { worldKey: () => "world" })]));
}

/** The policy engine over the objects of the Kubernetes API, for one cluster. */
export function createPolicyEngine(options: { readonly clusterName: string }): PolicyEngine {
  const repository = new Repository();
  const { selectors } = repository;
  const keys = new Map<string, PolicyKey>();
  const namedPorts = new Map<number, readonly NumberedPort[]>();
  return {
    get revision() {
      return repository.revision;
    },
    upsertPolicy: (key, object) => {
      const parsed = parsePolicy(object, options);
      const errors = parsed.ok ? unenforceable(parsed.rules) : parsed.errors;
      if (!parsed.ok || errors.length > 0) throw new Error(errors.map(describe).join("; "));
      keys.set(key, parsed.key);
      repository.upsert(parsed.key, parsed.rules);
    },
    removePolicy: (key) => {
      const known = keys.get(key);
      if (known === undefined) return;
      keys.delete(key);
      repository.remove(known);
    },
    upsertIdentity: (id, labels) => {
      selectors.upsertIdentity(id, labels);
    },
    removeIdentity: (id) => {
      selectors.removeIdentity(id);
    },
    setNamedPorts: (identity, ports) => {
      if (ports.length === 0) namedPorts.delete(identity);
      else namedPorts.set(identity, numbered(ports));
    },
    setCidrGroup: (name, object) => {
      const parsed = object === undefined ? undefined : parseCidrGroup(object);
      if (parsed?.ok === false) throw new Error(parsed.errors.map(describe).join("; "));
      repository.setCidrGroup(name, parsed?.group);
    },
    setService: (namespace, name, service) => repository.setService(namespace, name, service),
    outside: (given) => outsideOf(repository, given),
    resolve: ({ identity, labels, namedPorts: own }) =>
      resolveEndpointPolicy(
        repository,
        { identity, labels, namedPorts: numbered(own) },
        (peer) => namedPorts.get(peer) ?? [],
      ),
    rules: () => repository.toApi(),
  };
}
