import { formatAddress, parseAddress } from "../model/cidr.ts";

/** What cluster DNS reads of a Kubernetes Service. */
export interface ServiceObject {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    /** Of both families; `clusterIP` is the first. */
    readonly clusterIPs?: readonly string[];
    readonly externalName?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
}

/** What cluster DNS reads of an EndpointSlice. */
export interface EndpointSliceObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly addressType?: string;
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly hostname?: string;
  }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
}

/** One address behind a headless service. */
export interface ServiceEndpoint {
  readonly address: string;
  /** Its own label below the service's name: the hostname, or the address with dashes for dots and colons. */
  readonly label: string;
}

export interface ServicePort {
  readonly name: string;
  /** Lower case. */
  readonly protocol: string;
  readonly port: number;
}

const SERVICE_NAME = "kubernetes.io/service-name";

/** The services of a cluster and what is behind them, as last heard; told by informers, asked by queries. */
export class ClusterServices {
  private readonly services = new Map<string, ServiceObject>();
  private readonly slices = new Map<string, Map<string, EndpointSliceObject>>();
  private readonly namespaces = new Map<string, number>();
  /** Address -> labels below the zone; made anew when asked after a change. */
  private names: Map<string, readonly string[]> | undefined;

  setService(service: ServiceObject): void {
    const key = keyOf(service.metadata.namespace, service.metadata.name);
    if (!this.services.has(key)) this.countNamespace(service, 1);
    this.services.set(key, service);
    this.names = undefined;
  }

  deleteService(service: ServiceObject): void {
    if (this.services.delete(keyOf(service.metadata.namespace, service.metadata.name)))
      this.countNamespace(service, -1);
    this.names = undefined;
  }

  setEndpointSlice(slice: EndpointSliceObject): void {
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    const slices = this.slices.get(key) ?? new Map<string, EndpointSliceObject>();
    slices.set(slice.metadata.name, slice);
    this.slices.set(key, slices);
    this.names = undefined;
  }

  deleteEndpointSlice(slice: EndpointSliceObject): void {
    const key = serviceKeyOf(slice);
    if (key !== undefined) this.slices.get(key)?.delete(slice.metadata.name);
    this.names = undefined;
  }

  service(namespace: string, name: string): ServiceObject | undefined {
    return this.services.get(keyOf(namespace, name));
  }

  hasNamespace(namespace: string): boolean {
    return this.namespaces.has(namespace);
  }

  /** Ready endpoints of both families (all of them where the service wants that), each address once. */
  endpoints(service: ServiceObject): readonly ServiceEndpoint[] {
    const all = service.spec?.publishNotReadyAddresses === true;
    const found = new Map<string, ServiceEndpoint>();
    for (const slice of this.slicesOf(service)) {
      for (const endpoint of slice.endpoints ?? []) {
        if (!all && endpoint.conditions?.ready === false) continue;
        for (const address of endpoint.addresses) {
          found.set(address, { address, label: endpoint.hostname ?? address.replaceAll(/[.:]/g, "-") });
        }
      }
    }
    return [...found.values()];
  }

  /** Ports of the service; of a headless one those that its endpoints really have. */
  ports(service: ServiceObject): readonly ServicePort[] {
    const given = isHeadless(service)
      ? this.slicesOf(service).flatMap((slice) => slice.ports ?? [])
      : (service.spec?.ports ?? []);
    const ports = given.map(({ name, protocol, port }) => ({
      name: name ?? "",
      protocol: (protocol ?? "TCP").toLowerCase(),
      port: port ?? 0,
    }));
    return [...new Map(ports.map((port) => [`${port.name}/${port.protocol}/${port.port}`, port])).values()];
  }

  /** Labels below the zone of the service or headless endpoint that has the address. */
  nameOfAddress(address: string): readonly string[] | undefined {
    this.names ??= this.readNames();
    return this.names.get(canonical(address));
  }

  private readNames(): Map<string, readonly string[]> {
    const names = new Map<string, readonly string[]>();
    for (const service of this.services.values()) {
      const labels = [service.metadata.name, service.metadata.namespace ?? "", "svc"];
      if (isHeadless(service)) {
        for (const { address, label } of this.endpoints(service)) names.set(canonical(address), [label, ...labels]);
      } else for (const address of clusterAddresses(service)) names.set(canonical(address), labels);
    }
    return names;
  }

  private slicesOf(service: ServiceObject): EndpointSliceObject[] {
    const slices = this.slices.get(keyOf(service.metadata.namespace, service.metadata.name));
    return [...(slices?.values() ?? [])].filter(
      ({ addressType }) => addressType === undefined || addressType === "IPv4" || addressType === "IPv6",
    );
  }

  private countNamespace(service: ServiceObject, change: number): void {
    const namespace = service.metadata.namespace ?? "";
    const count = (this.namespaces.get(namespace) ?? 0) + change;
    if (count > 0) this.namespaces.set(namespace, count);
    else this.namespaces.delete(namespace);
  }
}

/** IPv6 has many spellings; this is the one by which addresses are compared. */
function canonical(address: string): string {
  const bytes = parseAddress(address);
  return bytes === undefined ? address : formatAddress(bytes);
}

/** The cluster addresses of a service that is not headless, of one family or both. */
export function clusterAddresses({ spec }: ServiceObject): readonly string[] {
  const listed = spec?.clusterIPs ?? [];
  const all = listed.length > 0 ? listed : [spec?.clusterIP ?? ""];
  return all.filter((address) => address !== "");
}

export function isHeadless(service: ServiceObject): boolean {
  return service.spec?.clusterIP === "None";
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}

function serviceKeyOf(slice: EndpointSliceObject): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_NAME];
  return name === undefined ? undefined : keyOf(slice.metadata.namespace, name);
}
