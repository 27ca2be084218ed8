import { isFields, type KubeObject, listOf } from "../../object.ts";
import { itemsOf, setDefault } from "./pod.ts";

/** What Kubernetes fills into a network policy: the protocol of ports, and which directions it is about. */
export function defaultNetworkPolicy({ spec }: KubeObject): void {
  if (!isFields(spec)) return;
  for (const section of ["ingress", "egress"])
    for (const rule of itemsOf(spec, section))
      for (const port of itemsOf(rule, "ports")) setDefault(port, "protocol", "TCP");
  // Egress is enforced only where it is spoken of; ingress wherever the types are not given.
  setDefault(spec, "policyTypes", listOf(spec.egress).length > 0 ? ["Ingress", "Egress"] : ["Ingress"]);
}
