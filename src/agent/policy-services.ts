import { equalJson, fieldsOf, listOf } from "../kube/object.ts";
import { canonicalAddress } from "../model/cidr.ts";
import type { ServiceFacts } from "../policy/service-peers.ts";
import { type KubeObject, objectKey } from "./kube.ts";
import type { PolicyEngine } from "./ports.ts";
import { slicesByService } from "./service-frontends.ts";

function factsOf(service: KubeObject, slices: readonly KubeObject[]): ServiceFacts {
  const { name, namespace = "", labels = {} } = service.metadata;
  const selector = fieldsOf(fieldsOf(service.spec).selector) as Readonly<Record<string, string>>;
  if (Object.keys(selector).length > 0) return { name, namespace, labels, selector };
  const endpoints = slices.flatMap((slice) => listOf(slice.endpoints).map(fieldsOf));
  const backends = new Set(
    endpoints.flatMap(({ addresses }) =>
      listOf(addresses)
        .map(String)
        .flatMap((text) => canonicalAddress(text) ?? []),
    ),
  );
  return { name, namespace, labels, backends: [...backends].sort() };
}

/** Tells the engine of the services that `toServices` may mean, and of their changes alone. */
export class PolicyServices {
  private readonly engine: Pick<PolicyEngine, "setService">;
  private known = new Map<string, ServiceFacts>();

  constructor(engine: Pick<PolicyEngine, "setService">) {
    this.engine = engine;
  }

  /** True when a policy may select somebody else now. */
  update(services: readonly KubeObject[], slices: readonly KubeObject[]): boolean {
    const groups = slicesByService(slices);
    const facts = services.map(
      (service) => [objectKey(service), factsOf(service, groups.get(objectKey(service)) ?? [])] as const,
    );
    const now = new Map(facts);
    const gone = [...this.known].filter(([key]) => !now.has(key));
    const fresh = facts.filter(([key, each]) => !equalJson(this.known.get(key), each));
    for (const [, { namespace, name }] of gone) this.engine.setService(namespace, name, undefined);
    for (const [, each] of fresh) this.engine.setService(each.namespace, each.name, each);
    this.known = now;
    return gone.length > 0 || fresh.length > 0;
  }
}
