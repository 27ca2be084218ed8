import { protocolNumber } from "../model/protocol.ts";
import type { NamedPort as NumberedPort } from "../policy/named-ports.ts";
import { parsePolicy } from "../policy/parse.ts";
import { Repository, requiredCidrs } from "../policy/repository.ts";
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
    requiredCidrs: () => requiredCidrs(repository),
    resolve: ({ identity, labels, namedPorts: own }) =>
      resolveEndpointPolicy(
        repository,
        { identity, labels, namedPorts: numbered(own) },
        (peer) => namedPorts.get(peer) ?? [],
      ),
    rules: () => repository.toApi(),
  };
}
