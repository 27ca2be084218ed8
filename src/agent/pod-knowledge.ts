import { fieldsOf } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { identityLabelsOfPod, reservedIdentityLabels } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import type { EndpointChangeRequest } from "./api.ts";
import { isOfPod } from "./endpoint.ts";
import type { Informer, KubeObject } from "./kube.ts";
import { ApiError } from "./rest/request.ts";

const HEALTH_LABELS = reservedIdentityLabels(ReservedIdentity.Health)!;

/** How long a new endpoint waits for its pod to show up in the watch, in ms. */
const PATIENCE = 10_000;

interface Waiter {
  readonly request: EndpointChangeRequest;
  readonly resolve: (labels: Labels) => void;
}

/** What the API says of this node's pods, as far as their identity depends on it. */
export class PodKnowledge {
  private readonly pods: Informer;
  private readonly namespaces: Informer;
  private readonly cluster: string;
  private readonly waiters = new Set<Waiter>();
  private synced = false;

  constructor(pods: Informer, namespaces: Informer, cluster: string) {
    this.pods = pods;
    this.namespaces = namespaces;
    this.cluster = cluster;
  }

  /** The pod of this request, if the API still has the very same one. */
  podOf(request: EndpointChangeRequest): KubeObject | undefined {
    const pod = this.pods.get(request.podName, request.podNamespace);
    return pod?.metadata.uid === request.podUid ? pod : undefined;
  }

  /** Undefined while the pod or its namespace is not known. */
  labelsOf(request: EndpointChangeRequest): Labels | undefined {
    if (!isOfPod(request)) return HEALTH_LABELS;
    const pod = this.podOf(request);
    const namespace = this.namespaces.get(request.podNamespace);
    if (pod === undefined || namespace === undefined) return undefined;
    const serviceAccount = fieldsOf(pod.spec).serviceAccountName;
    return identityLabelsOfPod({
      podLabels: pod.metadata.labels ?? {},
      namespace: request.podNamespace,
      namespaceLabels: namespace.metadata.labels ?? {},
      serviceAccount: typeof serviceAccount === "string" ? serviceAccount : "",
      cluster: this.cluster,
    });
  }

  /** Waits for the pod, its namespace and the first sync of all inputs; rejects with 503 when they do not come. */
  known(request: EndpointChangeRequest, patience = PATIENCE): Promise<Labels> {
    const labels = this.synced ? this.labelsOf(request) : undefined;
    if (labels !== undefined) return Promise.resolve(labels);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new ApiError(503, this.missing(request)));
      }, patience);
      const waiter: Waiter = {
        request,
        resolve: (found) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve(found);
        },
      };
      this.waiters.add(waiter);
    });
  }

  /** All inputs have synced. */
  setSynced(): void {
    this.synced = true;
    this.changed();
  }

  /** A pod or namespace came or changed. */
  changed(): void {
    if (!this.synced) return;
    for (const waiter of this.waiters) {
      const labels = this.labelsOf(waiter.request);
      if (labels !== undefined) waiter.resolve(labels);
    }
  }

  private missing({ podNamespace, podName, podUid }: EndpointChangeRequest): string {
    if (!this.synced) return "the Kubernetes API has not answered yet";
    return `the Kubernetes API shows no pod ${podNamespace}/${podName} with uid ${podUid} on this node`;
  }
}
