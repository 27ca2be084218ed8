import type { KubeObject, OwnerReference } from "../../kube/client/index.ts";
import { equalJson, type Fields, fieldsOf } from "../../kube/object.ts";
import { controllerReference, labelsOf, objectsOf, specOf } from "../objects.ts";
import {
  type Backend,
  backendsOf,
  byPorts,
  type Family,
  familiesOf,
  familyOf,
  type Port,
  targetReference,
} from "./addresses.ts";

const HEADLESS = "service.kubernetes.io/headless";
const SERVICE_NAME = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslice-controller.k8s.io";
const MIRROR_MANAGER = "endpointslicemirroring-controller.k8s.io";
const SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror";
const SLICE_SIZE = 100;
/** As the original: an Endpoints object holds no more. */
const ENDPOINTS_SIZE = 1000;

export interface SlicePlan {
  readonly create: readonly KubeObject[];
  readonly update: readonly KubeObject[];
  readonly remove: readonly KubeObject[];
}

/** True for a service whose backends are found by labels. */
export function hasSelector(service: KubeObject): boolean {
  const { selector, type } = specOf(service);
  return type !== "ExternalName" && Object.keys(fieldsOf(selector)).length > 0;
}

const isHeadless = (service: KubeObject): boolean => specOf(service).clusterIP === "None";

function portFields({ name, ...rest }: Port): Fields {
  return name === "" ? { ...rest } : { name, ...rest };
}

function address(backend: Backend): Fields {
  const { ip, nodeName, hostname } = backend;
  return {
    ip,
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: targetReference(backend),
  };
}

function subset(backends: readonly Backend[]): Fields {
  const ready = backends.filter((item) => item.ready).map(address);
  const others = backends.filter((item) => !item.ready && !item.terminating).map(address);
  const ports = backends[0]!.ports.map(portFields);
  return {
    ...(ready.length > 0 ? { addresses: ready } : {}),
    ...(others.length > 0 ? { notReadyAddresses: others } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  };
}

/** The Endpoints object that a service should have: of its first family only, as there is one object for both. */
export function wantedEndpoints(service: KubeObject, pods: readonly KubeObject[]): KubeObject {
  const backends = backendsOf(service, pods, familiesOf(service)[0]!).filter((item) => item.ready || !item.terminating);
  const usable = backends.filter((item) => item.ports.length > 0 || isHeadless(service)).slice(0, ENDPOINTS_SIZE);
  const subsets = [...byPorts(usable).values()].map(subset);
  const { name, namespace } = service.metadata;
  const labels = { ...labelsOf(service), ...(isHeadless(service) ? { [HEADLESS]: "" } : {}) };
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name, ...(namespace ? { namespace } : {}), ...(Object.keys(labels).length > 0 ? { labels } : {}) },
    ...(subsets.length > 0 ? { subsets } : {}),
  };
}

/** True when the stored Endpoints say what is wanted. */
export function sameEndpoints(stored: KubeObject, wanted: KubeObject): boolean {
  return equalJson(stored.subsets ?? [], wanted.subsets ?? []) && equalJson(labelsOf(stored), labelsOf(wanted));
}

function endpoint(backend: Backend): Fields {
  const { ip, ready, serving, terminating, nodeName, hostname } = backend;
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    targetRef: targetReference(backend),
    ...(nodeName ? { nodeName } : {}),
  };
}

function sliceContents(service: KubeObject, pods: readonly KubeObject[], family: Family): Content[] {
  return [...byPorts(backendsOf(service, pods, family)).values()].flatMap((backends) => {
    const ports = backends[0]!.ports;
    const chunks = Array.from({ length: Math.ceil(backends.length / SLICE_SIZE) }, (_, index) =>
      backends.slice(index * SLICE_SIZE, (index + 1) * SLICE_SIZE),
    );
    return chunks.map((chunk) => ({
      addressType: family,
      endpoints: chunk.map(endpoint),
      ports: ports.map((port) => ({ ...port })),
    }));
  });
}

/** What a slice says; its addresses are of one family. */
interface Content {
  readonly addressType: Family;
  readonly endpoints: readonly Fields[];
  readonly ports: readonly Fields[];
}

/** Whose slices they are: who manages them, and with which object they go. */
interface Source {
  readonly manager: string;
  readonly owner: OwnerReference;
}

/** A slice's labels: the service's own, and whose it is. */
function sliceLabels(service: KubeObject, manager: string): Record<string, string> {
  return {
    ...labelsOf(service),
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: manager,
    ...(isHeadless(service) ? { [HEADLESS]: "" } : {}),
  };
}

function newSlice(service: KubeObject, source: Source, content: Content): KubeObject {
  const { name, namespace } = service.metadata;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "",
      generateName: `${name}-`,
      ...(namespace ? { namespace } : {}),
      labels: sliceLabels(service, source.manager),
      ownerReferences: [source.owner],
    },
    ...content,
  };
}

/** The slices of a service that one manager keeps. */
function slicesOf(service: KubeObject, slices: readonly KubeObject[], manager: string): KubeObject[] {
  return slices
    .filter(
      (slice) => labelsOf(slice)[SERVICE_NAME] === service.metadata.name && labelsOf(slice)[MANAGED_BY] === manager,
    )
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** The slices of a service that this controller keeps. */
export function ownSlices(service: KubeObject, slices: readonly KubeObject[]): KubeObject[] {
  return slicesOf(service, slices, MANAGER);
}

/** The service's name behind a slice of ours. */
export function serviceNameOf(slice: KubeObject): string | undefined {
  const manager = labelsOf(slice)[MANAGED_BY];
  return manager === MANAGER || manager === MIRROR_MANAGER ? labelsOf(slice)[SERVICE_NAME] : undefined;
}

/** Slices are reused, so a change of one pod writes one slice; a slice keeps its family for life. */
function planContents(
  service: KubeObject,
  source: Source,
  contents: readonly Content[],
  slices: readonly KubeObject[],
): SlicePlan {
  const unused = slicesOf(service, slices, source.manager);
  const labels = sliceLabels(service, source.manager);
  const create: KubeObject[] = [];
  const update: KubeObject[] = [];
  for (const content of contents) {
    const index = unused.findIndex((slice) => slice.addressType === content.addressType);
    const [slice] = index < 0 ? [] : unused.splice(index, 1);
    if (!slice) create.push(newSlice(service, source, content));
    else if (!sameSlice(slice, content, labels)) {
      update.push({ ...slice, ...content, metadata: { ...slice.metadata, labels } });
    }
  }
  return { create, update, remove: unused };
}

/** How the slices of a service with a selector become what they should be: those of each of its families. */
export function planSlices(service: KubeObject, pods: readonly KubeObject[], slices: readonly KubeObject[]): SlicePlan {
  const contents = familiesOf(service).flatMap((family) => {
    const full = sliceContents(service, pods, family);
    // A service without pods keeps one empty slice, so that clients see it is known.
    return full.length > 0 ? full : [{ addressType: family, endpoints: [], ports: [] }];
  });
  const source = { manager: MANAGER, owner: controllerReference(service, "", "v1", "Service") };
  return planContents(service, source, contents, slices);
}

/** The slices that a written subset becomes: one for each family that it has addresses of. */
function mirrored(subset: Fields): Content[] {
  const entry =
    (ready: boolean) =>
    ({ ip, hostname, nodeName, targetRef }: Fields): Fields => ({
      addresses: [ip],
      conditions: { ready },
      ...(hostname ? { hostname } : {}),
      ...(targetRef ? { targetRef } : {}),
      ...(nodeName ? { nodeName } : {}),
    });
  const [ready, others] = [objectsOf(subset.addresses), objectsOf(subset.notReadyAddresses)];
  const families = new Set([...ready, ...others].map(({ ip }) => familyOf(ip)));
  if (families.size === 0) families.add("IPv4");
  return [...families].sort().map((addressType) => {
    const own = ({ ip }: Fields) => familyOf(ip) === addressType;
    return {
      addressType,
      endpoints: [...ready.filter(own).map(entry(true)), ...others.filter(own).map(entry(false))],
      ports: objectsOf(subset.ports).map((port) => ({ name: "", ...port })),
    };
  });
}

/** How the slices of a service without a selector follow the Endpoints that a user wrote for it. */
export function planMirror(
  service: KubeObject,
  endpoints: KubeObject | undefined,
  slices: readonly KubeObject[],
): SlicePlan {
  const skipped = !endpoints || labelsOf(endpoints)[SKIP_MIRROR] === "true" || specOf(service).type === "ExternalName";
  const contents = skipped ? [] : objectsOf(endpoints.subsets).flatMap(mirrored);
  const owner = controllerReference(endpoints ?? service, "", "v1", endpoints ? "Endpoints" : "Service");
  return planContents(service, { manager: MIRROR_MANAGER, owner }, contents, slices);
}

function sameSlice(slice: KubeObject, content: Content, labels: Record<string, string>): boolean {
  return (
    equalJson(slice.endpoints ?? [], content.endpoints) &&
    equalJson(slice.ports ?? [], content.ports) &&
    equalJson(labelsOf(slice), labels)
  );
}
