import type { WatchedPort } from "../datapath/port.ts";
import { protocolNumber } from "../model/protocol.ts";
import { selects } from "../model/selector.ts";
import type { PortRule, PortSpec, Rule } from "../policy/rule.ts";
import type { NamedPort } from "./cilium-endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Parser } from "./overheard-stream.ts";

/** What rules for requests look at: the ports, each with how it is read. */
export class WatchedPorts {
  readonly ports = new Map<string, WatchedPort>();
  private readonly parsers = new Map<string, Set<Parser>>();

  parsersAt(port: WatchedPort): ReadonlySet<Parser> {
    return this.parsers.get(keyOf(port)) ?? NONE;
  }

  get size(): number {
    return this.ports.size;
  }

  hasSamePorts(others: WatchedPorts): boolean {
    return this.size === others.size && [...this.ports.keys()].every((key) => others.ports.has(key));
  }

  add(port: WatchedPort, parser: Parser): void {
    const key = keyOf(port);
    this.ports.set(key, port);
    const parsers = this.parsers.get(key);
    if (parsers === undefined) this.parsers.set(key, new Set([parser]));
    else parsers.add(parser);
  }
}

const NONE: ReadonlySet<Parser> = new Set();

function keyOf({ endpoint, direction, protocol, port }: WatchedPort): string {
  return `${endpoint} ${direction} ${protocol} ${port}`;
}

interface Subjects {
  readonly endpoints: readonly Endpoint[];
  /** Of the endpoint's own pod. */
  readonly namedPorts: (endpoint: Endpoint) => readonly NamedPort[];
  /** Of all pods of the cluster. */
  readonly allNamedPorts: () => readonly NamedPort[];
}

/**
 * The ports whose requests `rules` judge, of the endpoints that they are about. A name at egress is every number that pods give
 * it: whom the rule speaks of does not matter to what is looked at. Throws when there are more than `most`.
 */
export function watchedPortsOf(rules: readonly Rule[], subjects: Subjects, most: number): WatchedPorts {
  const found = new WatchedPorts();
  const peers = rules.length === 0 ? [] : subjects.allNamedPorts();
  for (const endpoint of subjects.endpoints) {
    for (const { direction, ports = [] } of elementsFor(endpoint, rules)) {
      for (const rule of ports) {
        const parser = parserOf(rule);
        if (parser === undefined) continue;
        const named = direction === "ingress" ? subjects.namedPorts(endpoint) : peers;
        for (const spec of rule.ports)
          for (const port of numbersOf(spec, named)) {
            found.add({ endpoint: endpoint.id, direction, protocol: spec.protocol, port }, parser);
            if (found.size > most) throw new Error(`rules for requests at more than ${most} ports of endpoints`);
          }
      }
    }
  }
  return found;
}

function parserOf({ http, dns, serverNames }: PortRule): Parser | undefined {
  if (serverNames !== undefined) return "tls";
  if (http !== undefined) return "http";
  return dns === undefined ? undefined : "dns";
}

function elementsFor({ attached, identity, labels }: Endpoint, rules: readonly Rule[]) {
  if (!attached || identity === 0) return [];
  return rules.filter(({ isNode, subject }) => !isNode && selects(subject, labels)).flatMap(({ elements }) => elements);
}

function* numbersOf({ protocol, name, port, endPort }: PortSpec, named: readonly NamedPort[]): Iterable<number> {
  if (name === undefined) {
    for (let number = port; number <= endPort; number++) yield number;
    return;
  }
  for (const each of named) {
    if (each.name.toLowerCase() !== name || protocolNumber(each.protocol) !== protocol) continue;
    for (let number = each.port; number <= Math.max(each.port, endPort); number++) yield number;
  }
}
