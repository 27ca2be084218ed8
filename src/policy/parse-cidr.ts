import { type Cidr, cidrContains, parseCidr } from "../model/cidr.ts";
import { CIDR_GROUP_NAME_PREFIX } from "../model/cidr-group-label.ts";
import { cidrGroupSelector, cidrSelector, requirement, type Selector } from "../model/selector.ts";
import type { Field } from "./field.ts";
import { parseSelector, type WrittenSelector } from "./parse-selector.ts";
import { toLabelSelector } from "./scope.ts";

const GROUP_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MOST_NAME_LENGTH = 253;

/** Reads a prefix; an address without a length only where `allowsAddress`. Undefined after refusing it. */
export function readCidr(value: unknown, at: Field, allowsAddress: boolean): Cidr | undefined {
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

/** Reads one element of `fromCIDR` or `toCIDR`. */
export function parseCidrPeer(value: unknown, at: Field): Selector[] {
  const cidr = readCidr(value, at, true);
  return cidr === undefined ? [] : [cidrSelector(cidr)];
}

interface CidrRule {
  cidr?: unknown;
  cidrGroupRef?: string;
  cidrGroupSelector?: WrittenSelector;
}

const SOURCES = ["cidr", "cidrGroupRef", "cidrGroupSelector"];

/** Reads one element of `fromCIDRSet` or `toCIDRSet`: a prefix or a group of prefixes, without exceptions. */
export function parseCidrRule(value: unknown, at: Field): Selector[] {
  const rule: CidrRule = {};
  let written: unknown = [];
  const isRead = at.object(value, {
    cidr: (content, field) => {
      if (content !== "") rule.cidr = content;
      else field.warn("empty, which counts as absent");
    },
    cidrGroupRef: (content, field) => {
      const name = field.text(content);
      if (name !== undefined && isGroupName(name, field)) rule.cidrGroupRef = name;
    },
    cidrGroupSelector: (content, field) => {
      const selector = parseSelector(content, field, { source: "cidrgroup", allowsSource: true });
      if (selector !== undefined) rule.cidrGroupSelector = selector;
    },
    except: (content) => {
      written = content;
    },
  });
  if (!isRead || !hasOneSource(value, at)) return [];
  // Cilium reads exceptions from a group without asking for a length.
  const isGroup = rule.cidr === undefined;
  const except = at.child("except").list(written, (each, item) => readCidr(each, item, isGroup)) ?? [];
  return isGroup ? groupPeers(rule, except, at) : prefixPeers(rule.cidr, except, at);
}

function hasOneSource(value: Record<string, unknown>, at: Field): boolean {
  const present = SOURCES.filter((name) => (value[name] ?? "") !== "");
  if (present.length === 0) at.child("cidr").refuse("is required", `or write one of: ${SOURCES.slice(1).join(", ")}`);
  if (present.length > 1) at.refuse(`${present.join(" and ")} exclude each other`, "write one element for each");
  return present.length === 1;
}

function isGroupName(name: string, at: Field): boolean {
  if (name.length <= MOST_NAME_LENGTH && GROUP_NAME.test(name)) return true;
  if (name === "") at.warn("empty, which counts as absent");
  else at.refuse("not the name of a CiliumCIDRGroup", "use lower-case letters, digits, '-' and '.'", name);
  return false;
}

function prefixPeers(written: unknown, except: readonly Cidr[], at: Field): Selector[] {
  const cidr = readCidr(written, at.child("cidr"), false);
  if (cidr === undefined) return [];
  checkExceptions(cidr, except, at.child("except"));
  return [cidrSelector(cidr, except)];
}

function checkExceptions(cidr: Cidr, except: readonly Cidr[], at: Field): void {
  for (const [index, excluded] of except.entries()) {
    const field = at.index(index);
    if (!cidrContains(cidr, excluded)) field.refuse("not inside `cidr`", "leave it out, it changes nothing");
    else if (excluded.length === cidr.length)
      field.warn("excepts the whole of `cidr`: the element selects nothing", "matches-nothing");
  }
}

function groupPeers(rule: CidrRule, except: readonly Cidr[], at: Field): Selector[] {
  const { cidrGroupRef, cidrGroupSelector: selector } = rule;
  if (cidrGroupRef !== undefined) {
    const name = requirement(`cidrgroup:${CIDR_GROUP_NAME_PREFIX}${cidrGroupRef}`, "Exists");
    return [cidrGroupSelector([name], except)];
  }
  if (selector === undefined) return [];
  const { requirements } = toLabelSelector(selector);
  if (requirements.length === 0)
    at.child("cidrGroupSelector").warn(
      "without conditions it selects all that is outside the cluster, in a group or not",
    );
  const inGroups = requirements.map((each) => ({ ...each, source: each.source === "any" ? "cidrgroup" : each.source }));
  return [cidrGroupSelector(inGroups, except)];
}
