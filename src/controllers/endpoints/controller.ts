import { EndpointSlices, Endpoints, type KubeObject, Pods, Services } from "../../kube/client/index.ts";
import { equalJson } from "../../kube/object.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOf, keyOfObject } from "../object-cache.ts";
import { hasEnded, isReady, labelsOf, specOf, stays } from "../objects.ts";
import { podAddresses } from "./addresses.ts";
import {
  hasSelector,
  ownSlices,
  planMirror,
  planSlices,
  type SlicePlan,
  sameEndpoints,
  serviceNameOf,
  wantedEndpoints,
} from "./reconcile.ts";

/** Changes of a pod that a service's addresses depend on. */
function matters(old: KubeObject, next: KubeObject): boolean {
  return (
    !equalJson(podAddresses(old), podAddresses(next)) ||
    isReady(old) !== isReady(next) ||
    hasEnded(old) !== hasEnded(next) ||
    stays(old) !== stays(next) ||
    specOf(old).nodeName !== specOf(next).nodeName ||
    !equalJson(labelsOf(old), labelsOf(next))
  );
}

/** Keeps the Endpoints and EndpointSlices of services that have a selector; mirrors Endpoints written by hand. */
export function startEndpoints(context: ControllerContext): void {
  const services = context.cache(Services);
  const pods = context.cache(Pods);
  const endpoints = context.cache(Endpoints);
  const slices = context.cache(EndpointSlices);
  const queue = context.queue("endpoints-controller", sync);
  const addServices = (pod: KubeObject): void => {
    for (const service of services.list(pod.metadata.namespace)) {
      const selector = Object.entries((specOf(service).selector ?? {}) as Record<string, string>);
      if (selector.every(([key, value]) => labelsOf(pod)[key] === value)) queue.add(keyOfObject(service));
    }
  };
  services.on({
    onAdd: (service) => queue.add(keyOfObject(service)),
    onUpdate: (_, service) => queue.add(keyOfObject(service)),
    onDelete: (service) => queue.add(keyOfObject(service)),
  });
  pods.on({
    onAdd: addServices,
    onUpdate: (old, pod) => {
      if (!matters(old, pod)) return;
      addServices(old);
      addServices(pod);
    },
    onDelete: addServices,
  });
  // Repairs what others delete, and follows the Endpoints that users write; those may come before their service.
  const addService = ({ metadata }: KubeObject): void => {
    if (services.get(metadata.name, metadata.namespace)) queue.add(keyOf(metadata.name, metadata.namespace));
  };
  endpoints.on({ onAdd: addService, onUpdate: (_, object) => addService(object), onDelete: addService });
  slices.on({
    onDelete: (slice) => {
      const name = serviceNameOf(slice);
      if (name !== undefined) queue.add(keyOf(name, slice.metadata.namespace));
    },
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = services.get(name, namespace);
    if (!service || !stays(service)) return removeAll(name, namespace, service);
    const present = slices.list(namespace);
    if (!hasSelector(service)) {
      await writeSlices(context, planMirror(service, endpoints.get(name, namespace), present));
      return;
    }
    const own = pods.list(namespace);
    await Promise.all([syncEndpoints(context, service, own), writeSlices(context, planSlices(service, own, present))]);
  }

  /** Slices go with their owner; Endpoints have none and share the service's name. */
  async function removeAll(name: string, namespace: string, service: KubeObject | undefined): Promise<void> {
    const found = endpoints.get(name, namespace);
    if (found) await context.delete(Endpoints, found);
    if (service)
      for (const slice of ownSlices(service, slices.list(namespace))) await context.delete(EndpointSlices, slice);
  }
}

async function syncEndpoints(
  context: ControllerContext,
  service: KubeObject,
  pods: readonly KubeObject[],
): Promise<void> {
  const wanted = wantedEndpoints(service, pods);
  const stored = context.cache(Endpoints).get(service.metadata.name, service.metadata.namespace);
  if (!stored) await context.create(Endpoints, wanted);
  else if (!sameEndpoints(stored, wanted)) {
    const metadata = { ...stored.metadata, labels: labelsOf(wanted) };
    await context.update(Endpoints, { ...stored, metadata, subsets: wanted.subsets ?? [] });
  }
}

async function writeSlices(context: ControllerContext, plan: SlicePlan): Promise<void> {
  await Promise.all([
    ...plan.create.map((slice) => context.create(EndpointSlices, slice)),
    ...plan.update.map((slice) => context.update(EndpointSlices, slice)),
    ...plan.remove.map((slice) => context.delete(EndpointSlices, slice)),
  ]);
}
