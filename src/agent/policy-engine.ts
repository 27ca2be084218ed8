import { protocolNumber } from "../model/protocol.ts";
import { parseCiliumNetworkPolicy } from "../policy/parse.ts";
import type { IdentityView, NamedPort as NumberedPort } from "../policy/port-resolution.ts";
import { Repository, requiredCidrs } from "../policy/repository.ts";
import { resolveEndpointPolicy } from "../policy/resolve.ts";
import type { FieldError, PolicyKey } from "../policy/rule.ts";
import { SelectorCache } from "../policy/selector-cache.ts";
import type { NamedPort } from "./cilium-endpoint.ts";
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
  const selectors = new SelectorCache();
  const keys = new Map<string, PolicyKey>();
  const namedPorts = new Map<number, readonly NumberedPort[]>();
  const view: IdentityView = {
    select: (selector) => selectors.select(selector),
    namedPorts: (identity) => namedPorts.get(identity) ?? [],
  };
  return {
    get revision() {
      return repository.revision;
    },
    upsertPolicy: (key, object) => {
      const parsed = parseCiliumNetworkPolicy(object, options);
      if (!parsed.ok) throw new Error(parsed.errors.map(describe).join("; "));
      keys.set(key, parsed.key);
      repository.upsert(parsed.key, parsed.rules);
    },
    removePolicy: (key) => {
      const known = keys.get(key);
      if (known === undefined) return;
      keys.delete(key);
      repository.remove(known);
    },
    upsertIdentity: (id, labels) => selectors.upsertIdentity(id, labels),
    removeIdentity: (id) => selectors.removeIdentity(id),
    setNamedPorts: (identity, ports) => {
      if (ports.length === 0) namedPorts.delete(identity);
      else namedPorts.set(identity, numbered(ports));
    },
    requiredCidrs: () => requiredCidrs(repository),
    resolve: ({ identity, labels, namedPorts: own }) =>
      resolveEndpointPolicy(repository, { identity, labels, namedPorts: numbered(own), isHost: false }, view),
    rules: () => repository.toApi(),
  };
}
