import { parseAddress } from "../model/cidr.ts";
import type { DnsData, DnsRecord } from "../wire/dns.ts";
import { DnsClass } from "../wire/dns.ts";
import { type DnsName, nameOf, nameText } from "../wire/dns-name.ts";
import {
  type ClusterServices,
  clusterAddresses,
  isHeadless,
  type ServiceEndpoint,
  type ServiceObject,
} from "./cluster-services.ts";

/** Seconds that an answer may be kept; short, because endpoints come and go. */
const TTL = 30;
const NEGATIVE_TTL = 5;
const SCHEMA_VERSION = "1.1.0";

/** What the zone has at a name: undefined = no such name; records of every type otherwise. */
export interface ZoneNode {
  readonly records: readonly DnsRecord[];
  /** Goes along with the answers: addresses of SRV targets. */
  readonly additional: readonly DnsRecord[];
}

const EMPTY: ZoneNode = { records: [], additional: [] };

/** The names of Kubernetes' DNS specification, version 1.1, below one domain. */
export class ClusterZone {
  readonly domain: DnsName;
  private readonly services: ClusterServices;

  constructor(services: ClusterServices, domain: string) {
    this.services = services;
    this.domain = nameOf(domain.toLowerCase());
  }

  /** Labels below the domain in lower case, undefined when the name is outside. */
  below(name: DnsName): readonly string[] | undefined {
    const labels = name.map((label) => label.toLowerCase());
    const depth = labels.length - this.domain.length;
    return depth >= 0 && this.domain.every((label, index) => labels[depth + index] === label)
      ? labels.slice(0, depth)
      : undefined;
  }

  /** Start of authority, for answers that say no. */
  authority(): DnsRecord {
    const soa: DnsData = {
      type: "SOA",
      primary: ["ns", "dns", ...this.domain],
      mailbox: ["hostmaster", ...this.domain],
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: NEGATIVE_TTL,
    };
    return { name: this.domain, class: DnsClass.IN, ttl: NEGATIVE_TTL, data: soa };
  }

  /** What is at the labels below the domain; `asked` names the records as the client wrote it. */
  lookup(labels: readonly string[], asked: DnsName): ZoneNode | undefined {
    const kind = labels.at(-1);
    if (kind === undefined) return { records: [this.authority()], additional: [] };
    if (labels.length === 1 && kind === "dns-version")
      return oneRecord(asked, { type: "TXT", texts: [SCHEMA_VERSION] });
    if (labels.length === 1) return kind === "svc" || kind === "pod" ? EMPTY : undefined;
    if (kind === "pod") return this.pod(labels.slice(0, -1), asked);
    return kind === "svc" ? this.serviceNode(labels.slice(0, -1), asked) : undefined;
  }

  /** PTR record of an address; undefined when no service has it. */
  reverse(address: string, asked: DnsName): ZoneNode | undefined {
    const labels = this.services.nameOfAddress(address);
    return labels && oneRecord(asked, { type: "PTR", target: [...labels, ...this.domain] });
  }

  /** `10-0-0-1.<namespace>.pod`, `fd00--1.…`: the address itself, whoever has it, as kubeadm's `pods insecure` does. */
  private pod(labels: readonly string[], asked: DnsName): ZoneNode | undefined {
    const namespace = labels.at(-1)!;
    if (labels.length === 1) return this.services.hasNamespace(namespace) ? EMPTY : undefined;
    const dashed = labels[0]!;
    if (labels.length > 2) return undefined;
    // dashes stand for the dots of the one family or the colons of the other
    const isV4 = /^(?:[0-9]{1,3}-){3}[0-9]{1,3}$/.test(dashed);
    const data = addressData(dashed.replaceAll("-", isV4 ? "." : ":"));
    return data && oneRecord(asked, data);
  }

  private serviceNode(labels: readonly string[], asked: DnsName): ZoneNode | undefined {
    const namespace = labels.at(-1)!;
    if (labels.length === 1) return this.services.hasNamespace(namespace) ? EMPTY : undefined;
    const service = this.services.service(namespace, labels.at(-2)!);
    if (service === undefined) return undefined;
    const below = labels.slice(0, -2);
    if (below.length === 0) return this.ofService(service, asked);
    if (below.length === 1) return this.belowService(service, below[0]!, asked);
    return below.length === 2 ? this.ports(service, below[0]!, below[1]!, asked) : undefined;
  }

  private ofService(service: ServiceObject, asked: DnsName): ZoneNode {
    const { spec } = service;
    if (spec?.type === "ExternalName") {
      return spec.externalName ? oneRecord(asked, { type: "CNAME", target: nameOf(spec.externalName) }) : EMPTY;
    }
    return { records: addresses(this.addressesOf(service), asked), additional: [] };
  }

  /** A headless endpoint's own name, or the `_tcp` between a service and its ports. */
  private belowService(service: ServiceObject, label: string, asked: DnsName): ZoneNode | undefined {
    if (isProtocol(label)) {
      return this.services.ports(service).some(({ protocol }) => `_${protocol}` === label) ? EMPTY : undefined;
    }
    if (!isHeadless(service)) return undefined;
    const found = this.services.endpoints(service).filter((endpoint) => endpoint.label.toLowerCase() === label);
    return found.length === 0
      ? undefined
      : {
          records: addresses(
            found.map(({ address }) => address),
            asked,
          ),
          additional: [],
        };
  }

  /** `_dns._udp.<service>`: where the named port is. */
  private ports(service: ServiceObject, name: string, protocol: string, asked: DnsName): ZoneNode | undefined {
    if (!name.startsWith("_") || !isProtocol(protocol)) return undefined;
    const ports = this.services
      .ports(service)
      .filter((port) => port.name !== "" && `_${port.name.toLowerCase()}` === name && `_${port.protocol}` === protocol);
    if (ports.length === 0) return undefined;
    const targets = this.targets(service);
    return {
      records: ports.flatMap(({ port }) =>
        eachName(targets).map((target) => record(asked, { type: "SRV", priority: 0, weight: 100, port, target })),
      ),
      additional: targets.flatMap(({ name: target, address }) => addresses([address], target)),
    };
  }

  private targets(service: ServiceObject): { name: DnsName; address: string }[] {
    const own = [service.metadata.name, service.metadata.namespace ?? "", "svc", ...this.domain];
    if (!isHeadless(service)) return this.addressesOf(service).map((address) => ({ name: own, address }));
    return this.services
      .endpoints(service)
      .map(({ address, label }: ServiceEndpoint) => ({ name: [label, ...own], address }));
  }

  private addressesOf(service: ServiceObject): string[] {
    if (isHeadless(service)) return this.services.endpoints(service).map(({ address }) => address);
    return [...clusterAddresses(service)];
  }
}

function isProtocol(label: string): boolean {
  return label === "_tcp" || label === "_udp" || label === "_sctp";
}

function record(name: DnsName, data: DnsData): DnsRecord {
  return { name, class: DnsClass.IN, ttl: TTL, data };
}

function oneRecord(name: DnsName, data: DnsData): ZoneNode {
  return { records: [record(name, data)], additional: [] };
}

/** The A or AAAA data of an address; undefined when the text is none. */
function addressData(address: string): DnsData | undefined {
  const bytes = parseAddress(address);
  if (bytes === undefined) return undefined;
  return address.includes(":") ? { type: "AAAA", address: bytes } : { type: "A", address };
}

function addresses(all: readonly string[], name: DnsName): DnsRecord[] {
  return all.flatMap((address) => {
    const data = addressData(address);
    return data === undefined ? [] : [record(name, data)];
  });
}

/** Each name once: a target with addresses of both families is one target. */
function eachName(targets: readonly { readonly name: DnsName }[]): DnsName[] {
  return [...new Map(targets.map(({ name }) => [nameText(name).toLowerCase(), name])).values()];
}
