import { Protocol } from "../model/protocol.ts";
import { type Selector, WILDCARD } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { mergeOrigins, type Origins } from "./origin.ts";
import type { HttpRule } from "./policy-map.ts";
import type { PeerRule, PortSpec } from "./rule.ts";

/** What the rules say about one selector of a filter. */
export interface PeerVerdict {
  readonly selector: Selector;
  readonly deny: boolean;
  /** Absent = no L7 rules. Holds an empty rule when another rule allows everything. */
  readonly http?: readonly HttpRule[];
  readonly origins: Origins;
}

/** Everything that the rules say about one protocol and port, range or port name, by selector. */
export interface Filter {
  readonly direction: Direction;
  readonly spec: PortSpec;
  readonly peers: Map<string, PeerVerdict>;
}

/** Every port of every protocol. */
const ANY: PortSpec = { protocol: Protocol.Any, port: 0, endPort: 0 };

function keyOf(direction: Direction, { protocol, name, port, endPort }: PortSpec): string {
  return `${direction}/${protocol}/${name ?? port}/${endPort}`;
}

function sameRule(a: HttpRule, b: HttpRule): boolean {
  return (
    a.method === b.method &&
    a.path === b.path &&
    a.host === b.host &&
    (a.headers ?? []).join("\n") === (b.headers ?? []).join("\n")
  );
}

/** Union; a side without L7 rules allows every request, and stays visible as an empty rule. */
function mergeHttp(
  a: readonly HttpRule[] | undefined,
  b: readonly HttpRule[] | undefined,
): readonly HttpRule[] | undefined {
  if (a === undefined && b === undefined) return undefined;
  const first = a ?? [{}];
  return [...first, ...(b ?? [{}]).filter((rule) => !first.some((known) => sameRule(known, rule)))];
}

/** Two verdicts of one selector on one port: deny wins, allows add up. */
function mergeVerdicts(a: PeerVerdict, b: PeerVerdict): PeerVerdict {
  if (a.deny !== b.deny) return a.deny ? a : b;
  const origins = mergeOrigins(a.origins, b.origins);
  const http = a.deny ? undefined : mergeHttp(a.http, b.http);
  return { selector: a.selector, deny: a.deny, origins, ...(http === undefined ? {} : { http }) };
}

/** Collects the filters of one endpoint, element by element. */
export class FilterSet {
  private readonly byKey = new Map<string, Filter>();

  add(element: PeerRule, origins: Origins): void {
    if (element.ports === undefined) {
      this.addPorts(element, [ANY], undefined, origins);
      return;
    }
    for (const { ports, http } of element.ports) this.addPorts(element, ports, http, origins);
  }

  all(): Iterable<Filter> {
    return this.byKey.values();
  }

  private addPorts(
    { direction, deny, peers }: PeerRule,
    specs: readonly PortSpec[],
    http: readonly HttpRule[] | undefined,
    origins: Origins,
  ): void {
    for (const spec of specs) {
      const key = keyOf(direction, spec);
      const filter = this.byKey.get(key) ?? { direction, spec, peers: new Map<string, PeerVerdict>() };
      this.byKey.set(key, filter);
      for (const selector of peers) {
        const verdict: PeerVerdict = { selector, deny, origins, ...(http === undefined ? {} : { http }) };
        const known = filter.peers.get(selector.text);
        filter.peers.set(selector.text, known === undefined ? verdict : mergeVerdicts(known, verdict));
      }
    }
  }
}

/** What the datapath does: the three that it can tell apart. */
export type Action = "allow" | "redirect" | "deny";

export function actionOf(verdict: PeerVerdict): Action {
  if (verdict.deny) return "deny";
  return verdict.http === undefined ? "allow" : "redirect";
}

/** True when the filter's word on every peer already does the same on a concrete port. */
export function isCoveredByWildcard(filter: Filter, verdict: PeerVerdict): boolean {
  const wildcard = filter.peers.get(WILDCARD.text);
  return wildcard !== undefined && wildcard !== verdict && actionOf(wildcard) === actionOf(verdict);
}
