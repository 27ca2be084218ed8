import { type Fields, type KubeObject, listOf } from "../object.ts";
import {
  AGE,
  type Column,
  count,
  labelText,
  NAME,
  objectsOf,
  selectorText,
  specOf,
  statusOf,
  text,
  wide,
} from "./column.ts";

const SHOWN = 3;

/** The first three, and how many more there are. */
function shortList(items: readonly string[], empty: string): string {
  const first = items.slice(0, SHOWN).join(",");
  if (items.length > SHOWN) return `${first} + ${items.length - SHOWN} more...`;
  return first || empty;
}

function externalAddress(service: KubeObject): string {
  const spec = specOf(service);
  const external = listOf(spec.externalIPs).map(String);
  if (spec.type === "ExternalName") return text(spec.externalName);
  if (spec.type !== "LoadBalancer") return external.join(",") || "<none>";
  const ingress = objectsOf((statusOf(service).loadBalancer as Fields | undefined)?.ingress);
  const balanced = ingress.map((item) => text(item.ip, text(item.hostname)));
  return [...balanced, ...external].join(",") || "<pending>";
}

function servicePorts(service: KubeObject): string {
  const ports = objectsOf(specOf(service).ports).map(({ port, nodePort, protocol = "TCP" }) =>
    count(nodePort) > 0 ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.join(",") || "<none>";
}

export const SERVICE_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Type", cell: (service) => text(specOf(service).type, "ClusterIP") },
  { name: "Cluster-IP", cell: (service) => text(specOf(service).clusterIP, "<none>") },
  { name: "External-IP", cell: externalAddress },
  { name: "Port(s)", cell: servicePorts },
  AGE,
  wide({ name: "Selector", cell: (service) => labelText(specOf(service).selector) }),
];

function joinHostPort(ip: unknown, port: unknown): string {
  return String(ip).includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function subsetTexts(subset: Fields): string[] {
  const addresses = objectsOf(subset.addresses);
  const ports = objectsOf(subset.ports);
  if (ports.length === 0) return addresses.map(({ ip }) => String(ip));
  return ports.flatMap(({ port }) => addresses.map(({ ip }) => joinHostPort(ip, port)));
}

export const ENDPOINTS_COLUMNS: readonly Column[] = [
  NAME,
  {
    name: "Endpoints",
    // those of which none is ready are shown as nothing
    cell: ({ subsets }) =>
      shortList(objectsOf(subsets).flatMap(subsetTexts), listOf(subsets).length === 0 ? "<none>" : ""),
  },
  AGE,
];

export const ENDPOINT_SLICE_COLUMNS: readonly Column[] = [
  NAME,
  { name: "AddressType", cell: (slice) => text(slice.addressType) },
  {
    name: "Ports",
    cell: (slice) =>
      shortList(
        objectsOf(slice.ports).map(({ port, name }) => String(port ?? name ?? "*")),
        "<unset>",
      ),
  },
  {
    name: "Endpoints",
    cell: (slice) =>
      shortList(
        objectsOf(slice.endpoints).flatMap((item) => listOf(item.addresses).map(String)),
        "<unset>",
      ),
  },
  AGE,
];

export const NETWORK_POLICY_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Pod-Selector", cell: (policy) => selectorText(specOf(policy).podSelector) },
  AGE,
];
