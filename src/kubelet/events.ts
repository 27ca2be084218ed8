import { createHash } from "node:crypto";
import { Events, type KubeClient } from "../kube/client/index.ts";
import { eventName } from "../kube/event-name.ts";
import { timestamp } from "../kube/object.ts";
import type { Pod } from "./pod.ts";

/** Tells what happens to pods, as `kubectl describe` shows it. */
export interface EventRecorder {
  pod(pod: Pod, type: "Normal" | "Warning", reason: string, message: string, container?: string): void;
}

interface Known {
  readonly name: string;
  count: number;
}

const REMEMBERED = 2_000;

/** Writes events to the API; the same event again counts up. A failure to write is logged and lost. */
export function createEventRecorder(
  client: KubeClient,
  host: string,
  now: () => number,
  log: (line: string) => void,
): EventRecorder {
  const known = new Map<string, Known>();
  let queue: Promise<unknown> = Promise.resolve();

  async function write(
    pod: Pod,
    type: string,
    reason: string,
    message: string,
    fieldPath: string | undefined,
  ): Promise<void> {
    const { name, namespace = "default", uid, resourceVersion } = pod.metadata;
    const key = createHash("sha1").update([uid, type, reason, message, fieldPath].join("\0")).digest("hex");
    const time = timestamp(now());
    const earlier = known.get(key);
    if (earlier) {
      earlier.count++;
      await client.patch(
        Events,
        earlier.name,
        { count: earlier.count, lastTimestamp: time },
        { namespace, type: "merge" },
      );
      return;
    }
    const ownName = eventName(name, now());
    await client.create(Events, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: ownName, namespace },
      involvedObject: {
        apiVersion: "v1",
        kind: "Pod",
        name,
        namespace,
        uid,
        resourceVersion,
        ...(fieldPath ? { fieldPath } : {}),
      },
      ...{ type, reason, message, count: 1, firstTimestamp: time, lastTimestamp: time },
      source: { component: "kubelet", host },
      ...{ reportingComponent: "kubelet", reportingInstance: host },
    });
    known.set(key, { name: ownName, count: 1 });
    if (known.size > REMEMBERED) known.delete(known.keys().next().value!);
  }

  return {
    pod(pod, type, reason, message, container) {
      const fieldPath = container === undefined ? undefined : `spec.containers{${container}}`;
      queue = queue
        .then(() => write(pod, type, reason, message, fieldPath))
        .catch((error: Error) =>
          log(`event ${reason} of ${pod.metadata.namespace}/${pod.metadata.name}: ${error.message}`),
        );
    },
  };
}
