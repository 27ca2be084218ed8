import type { Informer } from "../kube/client/index.ts";
import type { HostProcessWorker } from "./host-process.ts";
import type { KubeletNode } from "./options.ts";
import { asPod, type Pod } from "./pod.ts";
import type { PodWorker } from "./pod-worker.ts";

export type Worker = PodWorker | HostProcessWorker;

/** The pods of one node. */
export class NodePods {
  readonly node: KubeletNode;
  readonly #workers = new Map<string, Worker>();
  readonly #make: (pod: Pod) => Worker;

  constructor(node: KubeletNode, make: (pod: Pod) => Worker) {
    this.node = node;
    this.#make = make;
  }

  follow(informer: Informer): void {
    informer.on({
      onAdd: (object) => this.#seen(asPod(object)),
      onUpdate: (_old, object) => this.#seen(asPod(object)),
      onDelete: (object) => this.#workers.get(object.metadata.uid ?? "")?.gone(),
    });
  }

  find(namespace: string, name: string): Worker | undefined {
    return [...this.#workers.values()].find(
      ({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name,
    );
  }

  byId(uid: string): Worker | undefined {
    return this.#workers.get(uid);
  }

  workers(): Worker[] {
    return [...this.#workers.values()];
  }

  pods(): Pod[] {
    return this.workers().map((worker) => worker.pod);
  }

  /** Lets go of all pods; they run on. */
  detach(): void {
    for (const worker of this.#workers.values()) worker.detach();
  }

  #seen(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const known = this.#workers.get(uid);
    if (known) {
      known.update(pod);
      return;
    }
    const worker = this.#make(pod);
    this.#workers.set(uid, worker);
    void worker.done.then(() => this.#workers.delete(uid));
  }
}
