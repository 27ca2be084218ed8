import { bitsOf, type Cidr, cidrContains, formatCidr, parseCidr } from "../../model/cidr.ts";
import { compileFqdn } from "../../policy/dns-rule.ts";
import { compileHttpRule, type HttpMatcher, type HttpRequestFacts, type Secrets } from "../../policy/http-rule.ts";
import type { HttpRule } from "../../policy/l7-rule.ts";
import { outsidePrefixes } from "../../policy/outside-labels.ts";
import { type Repository, requiredFqdns } from "../../policy/repository.ts";
import { Cluster } from "../cluster.ts";
import { requestRegions } from "../diff/request-language.ts";
import type { Inventory } from "../inventory.ts";
import type { HiddenPart } from "./recorded-request.ts";

/** Addresses whose part is remembered. */
const MOST_REMEMBERED = 100_000;

/** What policies tell apart of addresses, names and requests: flows that they cannot tell apart are one. */
export class Distinctions {
  readonly httpRules: readonly HttpRule[];
  private readonly prefixes: readonly { readonly cidr: Cidr; readonly text: string }[];
  private readonly isNamed: readonly ((name: string) => boolean)[];
  private readonly matchers: readonly HttpMatcher[];
  private readonly secrets: Secrets;
  private readonly cells = new Map<string, string>();
  private readonly isExact: boolean;

  /** `isExact`: every address is told apart. */
  constructor(inventories: readonly Inventory[], { isExact = false } = {}) {
    const engines = inventories.map((inventory) => new Cluster({ ...inventory, workloads: [] }).engine);
    const repositories = engines.map(({ repository }) => repository);
    const texts = new Set(
      repositories.flatMap((each) => [...outsidePrefixes(each, []).entries()].map(([text]) => text)),
    );
    this.prefixes = [...texts]
      .map((text) => ({ cidr: parseCidr(text)!, text }))
      .sort((a, b) => bitsOf(b.cidr) - bitsOf(a.cidr));
    this.isNamed = repositories.flatMap((each) => requiredFqdns(each).map(compileFqdn));
    const rules = repositories.flatMap(httpRulesOf).map((rule) => [JSON.stringify(rule), rule] as const);
    this.httpRules = [...new Map(rules).values()];
    this.matchers = this.httpRules.map(compileHttpRule);
    this.secrets = new Map(engines.flatMap((each) => [...each.secrets]));
    this.isExact = isExact;
  }

  /** The longest prefix around the address that policies name; `0.0.0.0/0` or `::/0` where they name none. */
  cellOf(address: string): string {
    const known = this.cells.get(address);
    if (known !== undefined) return known;
    const cell = this.findCell(address);
    if (this.cells.size >= MOST_REMEMBERED) this.cells.clear();
    this.cells.set(address, cell);
    return cell;
  }

  private findCell(address: string): string {
    const cidr = parseCidr(address);
    if (cidr === undefined) return "";
    if (this.isExact) return formatCidr(cidr);
    return (
      this.prefixes.find((each) => cidrContains(each.cidr, cidr))?.text ?? (cidr.family === 4 ? "0.0.0.0/0" : "::/0")
    );
  }

  /** The names that some `toFQDNs` selects; all of them where addresses are told apart. */
  namesOf(names: Iterable<string>): string[] {
    const wanted = [...new Set(names)].sort();
    return this.isExact ? wanted : wanted.filter((name) => this.isNamed.some((matches) => matches(name)));
  }

  /** Which HTTP rules match a request, as a text: those with the same one are judged alike. */
  requestCell(request: HttpRequestFacts): string {
    let cell = "";
    for (const [index, matches] of this.matchers.entries()) if (matches(request, this.secrets)) cell += `${index} `;
    return cell;
  }

  /** Of what the recording hides, what rules look at. */
  hiddenParts(hidden: readonly HiddenPart[]): HiddenPart[] {
    const [headers, looksAtHost] = [this.headers(), this.httpRules.some(isAboutHost)];
    return hidden.filter((part) => {
      if (part === "host") return looksAtHost;
      return part === "headers" ? headers.size > 0 : headers.has(part.slice("header ".length));
    });
  }

  get looksAtNames(): boolean {
    return this.isExact || this.isNamed.length > 0;
  }

  get looksAtHeaders(): boolean {
    return this.headers().size > 0;
  }

  private headers(): ReadonlySet<string> {
    const lines = this.httpRules.flatMap(({ headers = [], headerMatches = [] }) => [
      ...headers.map((line) => line.split(":")[0]!.trim()),
      ...headerMatches.map(({ name }) => name),
    ]);
    return new Set(lines.map((name) => name.toLowerCase()));
  }
}

function httpRulesOf(repository: Repository): HttpRule[] {
  return [...repository.list()].flatMap(({ rules }) =>
    rules.flatMap(({ elements }) => elements.flatMap(({ ports = [] }) => ports.flatMap(({ http = [] }) => http))),
  );
}

const HOST = /^(:authority|host)(?![\w-])/i;

/** Whether the rule looks at the host, in a field of its own or as a header. */
function isAboutHost(rule: HttpRule): boolean {
  return rule.host !== undefined || hasHostHeader(rule);
}

function hasHostHeader({ headers = [], headerMatches = [] }: HttpRule): boolean {
  return [...headers, ...headerMatches.map(({ name }) => name)].some((name) => HOST.test(name));
}

/** A host of each kind that the rules tell from others. Undefined = they are not known. */
export function hostsToldApart(rules: readonly HttpRule[]): readonly string[] | undefined {
  if (rules.some(hasHostHeader)) return undefined;
  const regions = requestRegions(rules.flatMap(({ host }) => (host === undefined ? [] : [{ host, demands: [] }])));
  return regions === "unknown" ? undefined : regions.map(({ request }) => request.host ?? "");
}
