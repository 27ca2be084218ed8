import { MAX_PORT, type PortPrefix, portPrefixes } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { DnsRule, HttpRule } from "./l7-rule.ts";
import type { Origins } from "./origin.ts";
import type { Ranked } from "./precedence.ts";
import type { AuthMode, ListenerRef, PortRule, PortSpec, RuleVerdict, TlsContext } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";

/** Which proxy judges; `crd` is a listener of the user's own. */
export type Parser = "http" | "dns" | "tls" | "crd";

/** Everything that traffic to some ports must go through in the proxy. */
export interface L7Settings {
  readonly parser: Parser;
  readonly listener?: ListenerRef;
  /** 1..126, lower wins. */
  readonly listenerPriority: number;
  readonly http?: readonly HttpRule[];
  readonly dns?: readonly DnsRule[];
  readonly serverNames?: readonly string[];
  readonly terminatingTLS?: TlsContext;
  readonly originatingTLS?: TlsContext;
}

/** Protocol and ports, or a port name, that rules speak of. Equal ones are one object. */
export interface PortFilter {
  readonly id: number;
  /** IANA number; 0 = every protocol. */
  readonly protocol: number;
  /** Absent = numbers. */
  readonly name?: string;
  readonly first: number;
  readonly last: number;
  /** No port is left out: such a filter never makes another's entry superfluous. */
  readonly isEveryPort: boolean;
  /** The fewest blocks that are exactly these ports; empty with a name. */
  readonly blocks: readonly PortPrefix[];
}

/** What one element says about one port filter to one selection of peers. */
export interface Statement {
  readonly filter: PortFilter;
  /** Undefined = every peer. */
  readonly selection: Selection | undefined;
  readonly verdict: RuleVerdict;
  readonly tier: number;
  readonly priority: number;
  readonly l7: L7Settings | undefined;
  readonly auth: AuthMode | undefined;
  readonly log: string;
  readonly origins: Origins;
}

/** What one rule says in one direction. */
export interface Side {
  readonly statements: readonly Statement[];
  /** Each level that its elements stand on, those that select nobody included. */
  readonly ranks: readonly Ranked[];
  /** The first element: it answers for default deny. */
  readonly first: Origins;
}

/** Cilium's ranks of its parsers. */
const LISTENER_PRIORITY: Readonly<Record<Parser, number>> = { http: 101, tls: 116, dns: 121, crd: 126 };

/** What a port rule asks of the proxy for one protocol; undefined = nothing. HTTP is for TCP alone. */
export function l7SettingsOf(rule: PortRule, protocol: number): L7Settings | undefined {
  const { http, dns, serverNames, terminatingTLS, originatingTLS, listener } = rule;
  const parser = parserOf(rule, protocol);
  if (parser === undefined) return undefined;
  return {
    parser,
    listenerPriority: listener?.priority || LISTENER_PRIORITY[parser],
    ...(listener === undefined ? {} : { listener }),
    ...(http === undefined ? {} : { http }),
    ...(dns === undefined ? {} : { dns }),
    ...(serverNames === undefined ? {} : { serverNames }),
    ...(terminatingTLS === undefined ? {} : { terminatingTLS }),
    ...(originatingTLS === undefined ? {} : { originatingTLS }),
  };
}

function parserOf(rule: PortRule, protocol: number): Parser | undefined {
  if (rule.listener !== undefined) return "crd";
  if (rule.dns !== undefined) return "dns";
  if (rule.http !== undefined && protocol === Protocol.Tcp) return "http";
  const hasTls = rule.terminatingTLS ?? rule.originatingTLS ?? rule.serverNames;
  return hasTls === undefined ? undefined : "tls";
}

const EVERYTHING: PortSpec = { protocol: Protocol.Any, port: 0, endPort: 0 };

/** What an element without `ports` speaks of. */
export const EVERY_PORT: readonly PortRule[] = [{ ports: [EVERYTHING] }];

/** Makes equal port filters one object. */
export class PortFilters {
  private readonly known = new Map<string, PortFilter>();

  /** Every port of every protocol. */
  get everything(): PortFilter {
    return this.of(EVERYTHING);
  }

  of({ protocol, port, endPort, name }: PortSpec): PortFilter {
    const key = `${protocol}/${name ?? port}/${endPort}`;
    const found = this.known.get(key) ?? this.create(protocol, port, endPort, name);
    this.known.set(key, found);
    return found;
  }

  private create(protocol: number, port: number, endPort: number, name: string | undefined): PortFilter {
    const id = this.known.size;
    if (name !== undefined) {
      return { id, protocol, name, first: 0, last: endPort, isEveryPort: false, blocks: [] };
    }
    const isEveryPort = port === 0;
    const last = isEveryPort ? MAX_PORT : Math.max(port, endPort);
    return { id, protocol, first: port, last, isEveryPort, blocks: portPrefixes(port, last) };
  }
}
