/** The controllers of the control plane, and Cilium's operator part: loops over the Kubernetes API and nothing else. */
import type { KubeClient } from "../kube/client/index.ts";
import { ControllerContext, type Report } from "./context.ts";
import { startCronJobs } from "./cronjob/controller.ts";
import { startDaemonSets } from "./daemonset/controller.ts";
import { startDeployments } from "./deployment/controller.ts";
import { startEndpoints } from "./endpoints/controller.ts";
import { startGarbageCollector } from "./garbage/controller.ts";
import { startJobs } from "./job/controller.ts";
import { startNamespaces } from "./namespace/controller.ts";
import { startEndpointCollection } from "./operator/endpoint-collection.ts";
import { startIdentityCollection } from "./operator/identity-collection.ts";
import { type PolicyValidator, startPolicyStatus } from "./operator/policy-status.ts";
import { startReplicaSets } from "./replicaset/controller.ts";
import { startScheduler } from "./scheduler/controller.ts";
import { startTaintEviction } from "./scheduler/taint-eviction.ts";
import { startStatefulSets } from "./statefulset/controller.ts";

export type { PolicyAnswer, PolicyValidator } from "./operator/policy-status.ts";

export interface ControllerOptions {
  /** Says whether the policy engine takes a policy. Without it no policy is marked. */
  readonly validatePolicy?: PolicyValidator;
  /** PEM of the cluster's authority, for the ConfigMap `kube-root-ca.crt` of each namespace. */
  readonly rootCertificate?: string;
  /** How long a CiliumIdentity may be without an endpoint; 60 000 when absent. */
  readonly identityGraceMs?: number;
  /** How long the agent has to delete a CiliumEndpoint whose pod is gone; 5 000 when absent. */
  readonly endpointGraceMs?: number;
  /** Milliseconds since the epoch; the system's clock when absent. */
  readonly now?: () => number;
  /** Told of failures, which are tried again; standard error when absent. */
  readonly report?: Report;
}

export interface Controllers {
  /** Resolves when every controller has seen the world once. */
  readonly started: Promise<void>;
  /** Takes no new work; resolves when the last note is written. */
  stop(): Promise<void>;
}

const toStandardError: Report = (controller, key, error) => {
  const why = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${controller}: ${key}: ${why}\n`);
};

/** Starts all controllers on one client; resolves at once. They keep trying while the API server is away. */
export async function startControllers(client: KubeClient, options: ControllerOptions = {}): Promise<Controllers> {
  const context = new ControllerContext(client, options.now ?? Date.now, options.report ?? toStandardError);
  startNamespaces(context, options.rootCertificate);
  startDeployments(context);
  startReplicaSets(context);
  startDaemonSets(context);
  startStatefulSets(context);
  startJobs(context);
  startCronJobs(context);
  startScheduler(context);
  startTaintEviction(context);
  startEndpoints(context);
  startGarbageCollector(context);
  startIdentityCollection(context, options.identityGraceMs ?? 60_000);
  startEndpointCollection(context, options.endpointGraceMs ?? 5000);
  if (options.validatePolicy) startPolicyStatus(context, options.validatePolicy);
  return { started: context.start(), stop: () => context.stop() };
}
