import { equalJson } from "../kube/object.ts";
import { protocolNumber } from "../model/protocol.ts";
import type { NamedPort as NumberedPort } from "../policy/named-ports.ts";
import { OutsideLabels } from "../policy/outside-labels.ts";
import { parseCidrGroup, parsePolicy } from "../policy/parse.ts";
import { PolicyCache } from "../policy/policy-cache.ts";
import { Repository, requiredFqdns } from "../policy/repository.ts";
import type { FieldError, PolicyKey } from "../policy/rule.ts";
import { SelectorCache } from "../policy/selector-cache.ts";
import { peerSelectors, subjectSelectors } from "../policy/selector-report.ts";
import type { Subject } from "../policy/stance.ts";
import type { NamedPort } from "./cilium-endpoint.ts";
import { unenforceable } from "./enforceable.ts";
import type { PolicyEngine, PolicySubject } from "./ports.ts";

function describe({ field, message, mend }: FieldError): string {
  return `${field}: ${message}${mend === undefined ? "" : `; ${mend}`}`;
}

function numbered(ports: readonly NamedPort[]): readonly NumberedPort[] {
  return ports.flatMap(({ name, port, protocol }) => {
    const number = protocolNumber(protocol);
    return number === undefined ? [] : [{ name, port, protocol: number }];
  });
}

/** Whom the endpoints' policies are for; endpoints with the same labels share one, which goes with the last of them. */
class Subjects {
  private readonly cache: PolicyCache;
  private readonly byEndpoint = new Map<number, { readonly asked: PolicySubject; readonly subject: Subject }>();
  private readonly users = new Map<string, number>();

  constructor(cache: PolicyCache) {
    this.cache = cache;
  }

  of(endpointId: number, asked: PolicySubject): Subject {
    const known = this.byEndpoint.get(endpointId);
    if (known !== undefined && isSameSubject(known.asked, asked)) return known.subject;
    const { identity, labels, namedPorts } = asked;
    const subject = { identity, labels, namedPorts: numbered(namedPorts) };
    const key = JSON.stringify(subject);
    this.users.set(key, (this.users.get(key) ?? 0) + 1);
    this.release(endpointId);
    this.byEndpoint.set(endpointId, { asked, subject });
    return subject;
  }

  release(endpointId: number): void {
    const known = this.byEndpoint.get(endpointId);
    if (known === undefined) return;
    this.byEndpoint.delete(endpointId);
    const key = JSON.stringify(known.subject);
    const left = this.users.get(key)! - 1;
    if (left > 0) this.users.set(key, left);
    else {
      this.users.delete(key);
      this.cache.release(known.subject);
    }
  }
}

function isSameSubject(a: PolicySubject, b: PolicySubject): boolean {
  return a.identity === b.identity && a.labels === b.labels && equalJson(a.namedPorts, b.namedPorts);
}

/** The policy engine over the objects of the Kubernetes API, for one cluster. */
export function createPolicyEngine(options: {
  readonly clusterName: string;
  /** Whether both families are here: each has a world of its own then. */
  readonly isDualStack?: boolean;
}): PolicyEngine {
  const { isDualStack = false } = options;
  const repository = new Repository(new SelectorCache({ worldFamily: isDualStack ? 0 : 4 }));
  const keys = new Map<string, PolicyKey>();
  const namedPorts = new Map<number, readonly NumberedPort[]>();
  const cache = new PolicyCache(repository, (peer) => namedPorts.get(peer) ?? [], { hostFirewall: true });
  const subjects = new Subjects(cache);
  const outside = new OutsideLabels(repository, {
    families: isDualStack ? [4, 6] : [4],
    worldKey: (family) => (isDualStack ? `world-ipv${family}` : "world"),
  });
  return {
    get revision() {
      return repository.revision;
    },
    upsertPolicy: (key, object) => {
      const parsed = parsePolicy(object, options);
      const errors = parsed.ok ? unenforceable(parsed.rules) : parsed.errors;
      if (!parsed.ok || errors.length > 0) throw new Error(errors.map(describe).join("; "));
      keys.set(key, parsed.key);
      cache.replacePolicy(parsed.key, parsed.rules);
    },
    removePolicy: (key) => {
      const known = keys.get(key);
      if (known === undefined) return;
      keys.delete(key);
      cache.replacePolicy(known, undefined);
    },
    upsertIdentity: (id, labels) => {
      cache.upsertIdentity(id, labels);
    },
    removeIdentity: (id) => {
      cache.removeIdentity(id);
    },
    setNamedPorts: (identity, ports) => {
      if (ports.length === 0) namedPorts.delete(identity);
      else namedPorts.set(identity, numbered(ports));
      cache.forgetPeerPorts();
    },
    setCidrGroup: (name, object) => {
      const parsed = object === undefined ? undefined : parseCidrGroup(object);
      if (parsed?.ok === false) throw new Error(parsed.errors.map(describe).join("; "));
      repository.setCidrGroup(name, parsed?.group);
    },
    setService: (namespace, name, service) => {
      if (repository.setService(namespace, name, service)) cache.clear();
    },
    outside: (given) => outside.all(given),
    outsideAddress: (address, given) => outside.of(address, given),
    fqdnSelectors: () => requiredFqdns(repository),
    expected: () => outside.expected(),
    resolve: (endpointId, subject) => cache.policyOf(subjects.of(endpointId, subject)),
    release: (endpointId) => subjects.release(endpointId),
    rules: () => repository.toApi(),
    selectors: (of) => (of === "peers" ? peerSelectors(repository) : subjectSelectors(repository)),
  };
}
