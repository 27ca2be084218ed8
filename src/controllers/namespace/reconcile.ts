import type { KubeObject } from "../../kube/client/index.ts";
import { listOf } from "../../kube/object.ts";
import type { ApiResource } from "../api-resources.ts";
import { specOf } from "../objects.ts";

/** What the namespace controller holds a namespace by. */
export const FINALIZER = "kubernetes";

/** What every namespace has and this one lacks: the account `default`, and the cluster's certificate when known. */
export function missingContents(
  namespace: string,
  rootCertificate: string | undefined,
  has: (object: KubeObject) => boolean,
): KubeObject[] {
  const account: KubeObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } };
  const wanted = [account];
  if (rootCertificate !== undefined) {
    const metadata = { name: "kube-root-ca.crt", namespace };
    wanted.push({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { "ca.crt": rootCertificate } });
  }
  return wanted.filter((object) => !has(object));
}

/** Resources whose objects must go before their namespace goes; each stored object once. */
export function deletable(resources: readonly ApiResource[]): ApiResource[] {
  const seen = new Set<string>();
  return resources.filter((resource) => {
    const usable = resource.namespaced && resource.verbs.includes("delete") && resource.verbs.includes("list");
    // Events are served by two groups and stored once.
    const stored = resource.resource === "events" ? "events" : `${resource.group}/${resource.resource}`;
    if (!usable || seen.has(stored)) return false;
    seen.add(stored);
    return true;
  });
}

/** The namespace as `finalize` takes it: no longer held by this controller. */
export function withoutFinalizer(namespace: KubeObject): KubeObject {
  const finalizers = listOf(specOf(namespace).finalizers).filter((finalizer) => finalizer !== FINALIZER);
  return { ...namespace, spec: { ...specOf(namespace), finalizers } };
}
