import { parseCidr } from "../../src/model/cidr.ts";
import { NAMESPACE_LABEL } from "../../src/model/identity.ts";
import { type Label, toLabels } from "../../src/model/label.ts";
import { Protocol } from "../../src/model/protocol.ts";
import {
  cidrSelector,
  isWildcard,
  labelSelector,
  requirement,
  type Selector,
  selects,
} from "../../src/model/selector.ts";
import type { PeerRule, PortRule, PortSpec, ServicePeer } from "../../src/policy/rule.ts";
import type { Scenario } from "../../src/policy/scenario.ts";

/** What one `toPorts` element wants of a proxy. No list of requests = every request. */
type Wish = Pick<PortRule, "http" | "dns" | "serverNames"> & {
  readonly parser: "" | "tls" | "crd" | "http" | "dns";
  readonly listener: string;
  /** Lower goes first among redirects of one level. */
  readonly listenerPriority: number;
  /** What all rules must agree on, each empty where nothing is said of it: two secrets and the authentication. */
  readonly settings: readonly string[];
};

const LISTENER_PRIORITY: Readonly<Record<Wish["parser"], number>> = { "": 0, http: 101, tls: 116, dns: 121, crd: 126 };

/** What the rules of one tier say together about one port filter and one selector. */
export interface Said extends Pick<PeerRule, "tier" | "priority" | "verdict"> {
  readonly filter: PortSpec;
  readonly selector: Selector;
  readonly wishes: readonly Wish[];
  /** The wish whose redirect takes the traffic. */
  readonly lead: Wish;
}

/** The rules of a subject contradict each other: Cilium computes no policy then. */
export class Contradiction extends Error {}

const EVERYTHING: PortRule = { ports: [{ protocol: Protocol.Any, port: 0, endPort: 0 }] };

/** Merges the elements, which are in Cilium's order. Throws a Contradiction. */
export function mergeElements(elements: readonly PeerRule[], scenario: Scenario, isDefaultDeny: boolean): Said[] {
  const said: Said[] = [];
  for (const { peers, ports = [EVERYTHING], tier, priority, verdict, auth = "" } of elements)
    for (const rule of ports)
      for (const filter of rule.ports)
        for (const selector of selectorsOf(peers, scenario)) {
          const lead = wishOf(rule, filter, auth, isDefaultDeny);
          const fresh = { tier, priority, verdict, filter, selector, wishes: [lead], lead };
          const place = said.findIndex((each) => subjectOf(each) === subjectOf(fresh));
          if (place === -1) said.push(fresh);
          else said[place] = merge(said[place]!, fresh);
        }
  return said;
}

function subjectOf({ tier, filter: { protocol, port, endPort, name }, selector }: Said): string {
  return JSON.stringify([tier, protocol, port, endPort, name, selector.text]);
}

/** Everybody beside others in one list is everybody alone. */
function selectorsOf(peers: PeerRule["peers"], scenario: Scenario): Selector[] {
  const all = peers.flatMap((peer) => (peer.kind === "service" ? selectorsOfService(peer, scenario) : [peer]));
  const everybody = all.find(isWildcard);
  return everybody === undefined ? all : [everybody];
}

function selectorsOfService(peer: ServicePeer, { services = [], config }: Scenario): Selector[] {
  const isMeant = ({ namespace, name, labels = {} }: (typeof services)[number]) => {
    const own = Object.entries(labels).map(([key, value]): Label => ({ source: "k8s", key, value }));
    const isNamed = peer.selector === undefined ? name === peer.name : selects(peer.selector, toLabels(own));
    return isNamed && (peer.namespace === "" || peer.namespace === namespace);
  };
  return services.filter(isMeant).flatMap(({ namespace, selector = {}, backends = [] }): Selector[] => {
    if (Object.keys(selector).length === 0) return backends.map((address) => cidrSelector(parseCidr(address)!));
    const cluster = { "io.cilium.k8s.policy.cluster": config?.clusterName ?? "default" };
    const labels = Object.entries({ ...selector, [NAMESPACE_LABEL]: namespace, ...cluster });
    return [labelSelector(labels.map(([key, value]) => requirement(`k8s:${key}`, "In", [value])))];
  });
}

function wishOf(rule: PortRule, { protocol }: PortSpec, auth: string, isDefaultDeny: boolean): Wish {
  const { http, dns, serverNames, terminatingTLS, originatingTLS, listener } = rule;
  const hasTls = (serverNames ?? terminatingTLS ?? originatingTLS) !== undefined;
  const isHttp = http !== undefined && protocol === Protocol.Tcp;
  const parser = listener ? "crd" : dns ? "dns" : isHttp ? "http" : hasTls ? "tls" : "";
  // Where nothing is denied by default, L7 rules do not deny either.
  const also = <T>(every: T) => (isDefaultDeny ? [] : [every]);
  return {
    ...{ parser, listener: listener?.name ?? "", listenerPriority: listener?.priority || LISTENER_PRIORITY[parser] },
    ...(parser !== "" && http && { http: [...http, ...also({})] }),
    ...(dns && { dns: [...dns, ...also({ matchPattern: "*" })] }),
    ...(serverNames && { serverNames }),
    // Envoy fetches a secret itself: what the rule takes from it makes no difference to the agent.
    settings: [JSON.stringify(terminatingTLS?.secret) ?? "", JSON.stringify(originatingTLS?.secret) ?? "", auth],
  };
}

/** The earlier priority, then the stronger verdict; allows of one priority add up. */
function merge(old: Said, fresh: Said): Said {
  const order = ["deny", "allow", "pass"];
  if (old.priority !== fresh.priority) return old.priority < fresh.priority ? old : fresh;
  if (old.verdict !== fresh.verdict) return order.indexOf(old.verdict) < order.indexOf(fresh.verdict) ? old : fresh;
  const isAboutNobody = old.selector.kind === "labels" && old.selector.requirements.some(({ key }) => key === "none");
  if (isAboutNobody) return old;
  const wishes = [...old.wishes, fresh.lead];
  for (const index of [0, 1, 2])
    if (new Set(wishes.map(({ settings }) => settings[index]).filter(Boolean)).size > 1)
      throw new Contradiction("secrets or authentication");
  const terminates = wishes.some(({ settings: [secret] }) => secret !== "");
  if (!terminates && wishes.some(({ serverNames }) => serverNames) && wishes.some(({ http, dns }) => http ?? dns))
    throw new Contradiction("server names beside L7 rules");
  return { ...old, wishes, lead: leading(old.lead, fresh.lead) };
}

/** TLS may become HTTP; no other two parsers go together. */
function leading(a: Wish, b: Wish): Wish {
  if (a.parser !== b.parser) {
    if (b.parser === "" || (a.parser === "http" && b.parser === "tls")) return a;
    if (a.parser === "" || (a.parser === "tls" && b.parser === "http")) return b;
    throw new Contradiction(`parsers ${a.parser} and ${b.parser}`);
  }
  if (a.listenerPriority === b.listenerPriority && a.listener !== b.listener) throw new Contradiction("listeners");
  return a.listenerPriority <= b.listenerPriority ? a : b;
}
