import type { IpcacheEntry } from "../../datapath/port.ts";
import { fieldsOf, listOf } from "../../kube/object.ts";
import type { FqdnSelector } from "../../model/selector.ts";
import { selectorText } from "../../policy/selector-report.ts";
import type {
  BpfMap,
  FqdnNamesModel,
  IpListEntry,
  NodeAddressing,
  NodeElement,
  ServiceModel,
  ServiceSpec,
} from "../api-models.ts";
import type { KubeObject } from "../kube.ts";
import { nodeAddressesOf } from "../node-addresses.ts";
import type { NamedFrontend } from "../service-frontends.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 6: "TCP", 17: "UDP", 132: "SCTP" };

/** A node of the cluster as its CiliumNode tells of it; undefined while it tells no address. */
export function nodeModel(
  node: KubeObject,
  {
    clusterName,
    ownName,
    isDual,
  }: { readonly clusterName: string; readonly ownName: string; readonly isDual: boolean },
): NodeElement | undefined {
  const addresses = nodeAddressesOf(node);
  if (addresses === undefined) return undefined;
  const { internal, router, health, ipv6 } = addresses;
  const ranges = listOf(fieldsOf(fieldsOf(node.spec).ipam).podCIDRs).map(String);
  const rangeOf = (isWanted: (text: string) => boolean) => {
    const range = ranges.find(isWanted);
    return range === undefined ? {} : { "alloc-range": range };
  };
  const pair = (ipv4: string, own: string): NodeAddressing => ({
    ipv4: { enabled: true, ip: ipv4 },
    ipv6: { enabled: isDual, ip: own },
  });
  const primary = pair(internal, ipv6?.internal ?? "");
  return {
    ...(health !== undefined && { "health-endpoint-address": pair(health, ipv6?.health ?? "") }),
    name: `${clusterName}/${node.metadata.name}`,
    "primary-address": {
      ipv4: { ...rangeOf((text) => !text.includes(":")), ...primary.ipv4! },
      ipv6: { ...rangeOf((text) => text.includes(":")), ...primary.ipv6! },
    },
    "secondary-addresses": [router, ipv6?.router].flatMap((ip) => (ip === undefined ? [] : [{ enabled: false, ip }])),
    source: node.metadata.name === ownName ? "local" : "custom-resource",
  };
}

export function serviceModel(frontend: NamedFrontend): ServiceModel {
  const { id, address: ip, port, type, name, namespace } = frontend;
  const protocol = PROTOCOLS[frontend.protocol] ?? "ANY";
  const backends = frontend.backends.map((backend) => ({
    ip: backend.address,
    port: backend.port,
    protocol,
    state: "active" as const,
  }));
  const spec: ServiceSpec = {
    "backend-addresses": backends,
    flags: { name, namespace, type },
    "frontend-address": { ip, port, protocol, scope: "external" },
    id,
  };
  return { spec, status: { realized: spec } };
}

/** Who told of an address, in Cilium's words. */
export interface AddressOrigin {
  readonly source: string;
  readonly namespace?: string;
  readonly name?: string;
}

export function addressModel(
  cidr: string,
  entry: IpcacheEntry,
  host: string | undefined,
  origin: AddressOrigin,
): IpListEntry {
  const hostIP = entry.tunnel ?? host;
  return { cidr, ...(hostIP !== undefined && { hostIP }), identity: entry.identity, metadata: origin };
}

const NAME_CHARACTER = "[-a-zA-Z0-9_]";

/** The regular expression that Cilium makes of a name or pattern. */
export function nameExpression({ matchName, matchPattern = "" }: FqdnSelector): string {
  const text = (matchName ?? matchPattern).trim().toLowerCase();
  if (/^\*+\.?$/.test(text)) return `(^(${NAME_CHARACTER}+[.])+$)|(^[.]$)`;
  const absolute = text.endsWith(".") ? text : `${text}.`;
  const labels = `(${NAME_CHARACTER}+([.]${NAME_CHARACTER}+){0,})[.]`;
  const escaped = absolute
    .replaceAll(".", "[.]")
    .replace(/^\*{2,}\[\.\]/, "\0")
    .replace(/\*+/g, `${NAME_CHARACTER}*`)
    .replace("\0", labels);
  return `^${escaped}$`;
}

/** `fqdn names`: what names policies select by. */
export function fqdnNamesModel(selectors: readonly FqdnSelector[]): FqdnNamesModel {
  const entries = selectors.map((selector) => ({
    regexString: nameExpression(selector),
    selectorString: selectorText(selector),
  }));
  return { DNSPollNames: [], FQDNPolicySelectors: entries };
}

/** Maps whose content the agent asks the kernel for when it is asked. */
const UNREMEMBERED = ["sg_policy", "sg_conntrack", "sg_metrics", "sg_policy_stats"];

const entryOf = (key: string, value: string) => ({ "desired-action": "sync" as const, key, value });

/** The kernel's maps and what the agent holds to be in them. */
export function mapModels(
  ipcache: ReadonlyMap<string, IpcacheEntry>,
  services: readonly NamedFrontend[],
  endpoints: readonly {
    readonly id: number;
    readonly identity: number;
    readonly request: { readonly address: string };
  }[],
): readonly BpfMap[] {
  const cached: readonly BpfMap[] = [
    {
      path: "sg_ipcache",
      cache: [...ipcache].map(([cidr, { identity, tunnel }]) =>
        entryOf(cidr, `identity=${identity} encryptkey=0 tunnelendpoint=${tunnel ?? "0.0.0.0"}`),
      ),
    },
    {
      path: "sg_service",
      cache: services.map(({ id, address, port, protocol, backends }) =>
        entryOf(`${address}:${port}/${PROTOCOLS[protocol] ?? "ANY"}`, `${id} ${backends.length}`),
      ),
    },
    {
      path: "sg_endpoint_by_addr",
      cache: endpoints.map(({ id, identity, request }) => entryOf(request.address, `id=${id} sec_id=${identity}`)),
    },
  ];
  return [...cached, ...UNREMEMBERED.map((path) => ({ path, cache: null }))];
}
