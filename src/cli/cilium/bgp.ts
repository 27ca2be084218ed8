import { isIP } from "node:net";
import type { Call } from "../cobra/commands.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { type ApiCall, CallError, callAgent } from "./agent-client.ts";
import { OUTPUT, outputOf } from "./output/print.ts";

/** What upstream's library has names for; others are not known to it. */
const FAMILIES: ReadonlySet<string> = new Set(["ipv4", "ipv6", "l2vpn", "ls", "opaque"]);
const SUBFAMILIES: ReadonlySet<string> = new Set(
  "unicast multicast mpls_label encapsulation vpls evpn ls sr_policy mup mpls_vpn mpls_vpn_multicast route_target_constraints flowspec_unicast flowspec_vpn key_value".split(
    " ",
  ),
);

const DISABLED = 501;

/** The agent says that there is no BGP, and so does the command. */
async function ask(call: ApiCall, signal: AbortSignal, say: string): Promise<void> {
  try {
    await callAgent(call, signal);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.status !== DISABLED) throw new CommandError(`${say}: ${error.message}\n`);
  }
  await write("BGP Control Plane is disabled\n");
}

interface Wanted {
  readonly table_type: string;
  readonly afi: string;
  readonly safi: string;
}

const invalid = (reason: string) => new CommandError(`invalid argument: ${reason}\n`);

/** What the first words ask for, with what is taken for those that are not there, and the words after them. */
async function wantedRoutes(
  words: readonly string[],
  isSilent: boolean,
): Promise<readonly [Wanted, readonly string[]]> {
  const [table, afi, safi, ...rest] = words;
  const assume = (what: string) =>
    isSilent ? Promise.resolve() : write(`(Defaulting to ${what}, please see help for more options)\n\n`);
  if (table !== undefined && table !== "available" && table !== "advertised")
    throw invalid(`invalid table type discriminator \`${table}\` (should be \`available\` / \`advertised\`)`);
  if (afi !== undefined && !FAMILIES.has(afi)) throw invalid(`unknown AFI ${afi}`);
  if (safi !== undefined && !SUBFAMILIES.has(safi)) throw invalid(`unknown SAFI ${safi}`);
  if (table === undefined) await assume("`available ipv4 unicast` routes");
  else if (afi === undefined) await assume("`ipv4 unicast` AFI & SAFI");
  else if (safi === undefined) await assume("`unicast` SAFI");
  const table_type = table === "advertised" ? "adj-rib-out" : "loc-rib";
  return [{ table_type, afi: afi ?? "ipv4", safi: safi ?? "unicast" }, rest];
}

/** `vrouter NUMBER` at the beginning of the words, and the words after it. Throws with what `say` makes of the reason. */
function routerOf([word, text, ...rest]: readonly string[], say: string): readonly [asn: string, readonly string[]] {
  const fail = (reason: string) => new CommandError(`${say}${reason}\n`);
  if (word !== "vrouter") throw fail("missing `vrouter` parameter");
  if (text === undefined) throw fail("missing vrouter ASN value");
  if (!/^[-+]?\d+$/.test(text)) throw fail(`invalid vrouter ASN: strconv.ParseInt: parsing "${text}": invalid syntax`);
  return [String(BigInt(text.replace(/^\+/, ""))), rest];
}

function peerOf([word, address]: readonly string[]): string {
  const fail = (reason: string) => new CommandError(`failed to parse peer address: ${reason}\n`);
  if (word !== "peer" && word !== "neighbor") throw fail("missing `peer` parameter");
  if (address === undefined) throw fail("missing peer IP address");
  if (isIP(address) === 0) throw fail(`invalid peer IP address: ParseAddr("${address}"): unable to parse IP`);
  return address;
}

const ROUTER_FAULT = "failed to parse vrouter ASN: ";

async function routes({ flags, words, signal }: Call): Promise<void> {
  const [wanted, after] = await wantedRoutes(words, outputOf(flags) !== undefined);
  const [asn, rest] = after[0] === "vrouter" ? routerOf(after, ROUTER_FAULT) : [undefined, after];
  const neighbor = wanted.table_type === "adj-rib-out" && rest.length > 0 ? peerOf(rest) : undefined;
  const query = {
    afi: wanted.afi,
    ...(neighbor !== undefined && { neighbor }),
    ...(asn !== undefined && { router_asn: asn }),
    ...{ safi: wanted.safi, table_type: wanted.table_type },
  };
  await ask({ path: "/bgp/routes", query }, signal, "failed retrieving routes");
}

async function routePolicies({ words, signal }: Call): Promise<void> {
  const [asn] = words.length > 0 ? routerOf(words, ROUTER_FAULT) : [undefined];
  const query: Readonly<Record<string, string>> = asn === undefined ? {} : { router_asn: asn };
  await ask({ path: "/bgp/route-policies", query }, signal, "cannot get route policies list");
}

/** `bgp …`: the agent says that there is no BGP. */
export const BGP: CommandNode = {
  name: "bgp",
  short: "Access to BGP control plane (deprecated)",
  commands: [
    {
      ...{ name: "peers", aliases: ["neighbors"], short: "List current state of all peers (deprecated)" },
      long: "List state of all peers defined in Cilium BGP configuration (deprecated)",
      flags: [
        ...[{ name: "capabilities", short: "c", kind: "bool", help: "Show BGP peer capabilities in detail" } as const],
        OUTPUT,
      ],
      run: ({ signal }) => ask({ path: "/bgp/peers" }, signal, "cannot get peers list"),
    },
    {
      ...{ name: "route-policies", aliases: ["rps"], argument: "[vrouter <asn>]", flags: [OUTPUT] },
      short: "List configured route policies (deprecated)",
      long: "List route policies configured in the underlying routing daemon (deprecated)",
      run: routePolicies,
    },
    {
      ...{ name: "routes", flags: [OUTPUT] },
      argument: "<available | advertised> <afi> <safi> [vrouter <asn>] [peer|neighbor <address>]",
      short: "List routes in the BGP Control Plane's RIBs (deprecated)",
      long: "List routes in the BGP Control Plane's Routing Information Bases (RIBs) (deprecated)",
      example: `  Get all IPv4 unicast routes available:
    cilium-dbg bgp routes available ipv4 unicast

  Get all IPv6 unicast routes available for a specific vrouter:
    cilium-dbg bgp routes available ipv6 unicast vrouter 65001

  Get IPv4 unicast routes advertised to a specific peer:
    cilium-dbg bgp routes advertised ipv4 unicast peer 10.0.0.1`,
      run: routes,
    },
  ],
};
