import { type Cidr, cidrContains, formatCidr, parseCidr } from "../model/cidr.ts";
import { cidrSelector, type Selector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { ENTITIES, entitySelectors } from "./entities.ts";
import type { Field } from "./field.ts";
import { parseSelector } from "./parse-selector.ts";
import { type Scope, scopePeer, toLabelSelector } from "./scope.ts";

/** What the peer fields of one element say. */
export interface Peers {
  /** Names of the peer fields that are present. */
  readonly present: readonly string[];
  readonly selectors: readonly Selector[];
  /** A peer field is there and empty: the element selects nobody. */
  readonly hasEmptyList: boolean;
}

/** Collects the peer fields of one element as they are read. */
export class PeerReader {
  private readonly direction: Direction;
  private readonly scope: Scope;
  private readonly present: string[] = [];
  private readonly selectors: Selector[] = [];
  private hasEmptyList = false;

  constructor(direction: Direction, scope: Scope) {
    this.direction = direction;
    this.scope = scope;
  }

  /** The readers of the peer fields, by name. */
  fields(): Record<string, (value: unknown, at: Field) => void> {
    const prefix = this.direction === "ingress" ? "from" : "to";
    return {
      [`${prefix}Endpoints`]: this.reader((value, at) => this.endpoints(value, at)),
      [`${prefix}CIDR`]: this.reader((value, at) => this.cidr(value, at)),
      [`${prefix}CIDRSet`]: this.reader((value, at) => this.cidrRule(value, at)),
      [`${prefix}Entities`]: this.reader((value, at) => this.entity(value, at)),
      [`${prefix}Requires`]: (value, at) => {
        if (Array.isArray(value) && value.length === 0) return;
        at.refuse("requirements are gone since Cilium 1.20", `write the labels into every ${prefix}Endpoints selector`);
      },
    };
  }

  /** Peer fields that are known to Cilium and refused here, with the mend. */
  refused(deny: boolean): Record<string, string> {
    if (this.direction === "ingress") {
      return { fromNodes: "use fromEntities: [remote-node]", fromGroups: "write the addresses into fromCIDRSet" };
    }
    return {
      toNodes: "use toEntities: [remote-node]",
      toGroups: "write the addresses into toCIDRSet",
      toServices: "select the backends with toEndpoints, or with toCIDRSet when they are outside",
      ...(deny ? {} : { toFQDNs: "write the addresses into toCIDRSet" }),
    };
  }

  finish(at: Field): Peers {
    const [first, second] = this.present;
    if (first !== undefined && second !== undefined) {
      at.refuse(`combining ${first} and ${second} is not supported`, "write one element for each");
    }
    return { present: this.present, selectors: this.selectors, hasEmptyList: this.hasEmptyList };
  }

  private reader(read: (value: unknown, at: Field) => readonly Selector[]): (value: unknown, at: Field) => void {
    return (value, at) => {
      const found = at.list(value, read);
      if (found === undefined) return;
      if (Array.isArray(value) && value.length === 0) this.hasEmptyList = true;
      else this.present.push(at.path.slice(at.path.lastIndexOf(".") + 1));
      this.selectors.push(...found.flat());
    };
  }

  private endpoints(value: unknown, at: Field): Selector[] {
    const written = parseSelector(value, at);
    return written === undefined ? [] : [toLabelSelector(scopePeer(written, this.scope))];
  }

  private cidr(value: unknown, at: Field): Selector[] {
    const cidr = readCidr(value, at, true);
    return cidr === undefined ? [] : [cidrSelector(cidr)];
  }

  private cidrRule(value: unknown, at: Field): Selector[] {
    let cidr: Cidr | undefined;
    let except: readonly Cidr[] = [];
    const isRead = at.object(
      value,
      {
        cidr: (content, field) => {
          cidr = readCidr(content, field, false);
        },
        except: (content, field) => {
          except = field.list(content, (element, item) => readCidr(element, item, false)) ?? [];
        },
      },
      {
        cidrGroupRef: "write the group's prefixes as `cidr`",
        cidrGroupSelector: "write the groups' prefixes as `cidr`",
      },
    );
    if (!isRead) return [];
    const written = value as Record<string, unknown>;
    const isOther = ["cidr", "cidrGroupRef", "cidrGroupSelector"].some((name) => (written[name] ?? null) !== null);
    if (!isOther) at.child("cidr").refuse("is required");
    if (cidr === undefined) return [];
    const outer = cidr;
    const outside = except.find((inner) => !cidrContains(outer, inner));
    if (outside !== undefined) {
      at.child("except").refuse(
        `${formatCidr(outside)} is not inside ${formatCidr(outer)}`,
        "leave it out, it changes nothing",
      );
    }
    return [cidrSelector(outer, except)];
  }

  private entity(value: unknown, at: Field): Selector[] {
    const name = at.text(value);
    if (name === undefined) return [];
    const selectors = entitySelectors(name, this.scope.entityCluster);
    if (selectors === undefined) at.refuse(`unsupported entity: ${name}`, `use one of: ${ENTITIES.join(", ")}`, name);
    return [...(selectors ?? [])];
  }
}

function readCidr(value: unknown, at: Field, allowsAddress: boolean): Cidr | undefined {
  const text = at.text(value);
  if (text === undefined) return undefined;
  const cidr = allowsAddress || text.includes("/") ? parseCidr(text) : undefined;
  if (cidr !== undefined) return cidr;
  const mend = /^::ffff:/i.test(text)
    ? "write it as IPv4"
    : `write address/length${allowsAddress ? " or an address" : ""}`;
  at.refuse("not a CIDR", mend, text);
  return undefined;
}
