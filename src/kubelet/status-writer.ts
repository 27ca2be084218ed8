import { type KubeClient, KubeError, Pods } from "../kube/client/index.ts";
import { equalJson } from "../kube/object.ts";
import type { Pod } from "./pod.ts";

const RETRY_MS = 200;

/** Writes one pod's status: the newest one, one write at a time, until the API has it. */
export class StatusWriter {
  readonly #client: KubeClient;
  readonly #log: (line: string) => void;
  #pod: Pod;
  #wanted: unknown;
  #written: unknown;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(client: KubeClient, pod: Pod, log: (line: string) => void) {
    this.#client = client;
    this.#pod = pod;
    this.#log = log;
  }

  set(status: unknown): void {
    this.#wanted = status;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when what was set last is written, or can never be. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  close(): void {
    this.#closed = true;
  }

  async #write(): Promise<void> {
    // status is set several times in a turn when containers start together
    await Promise.resolve();
    while (!this.#closed && !equalJson(this.#wanted, this.#written)) {
      const status = this.#wanted;
      const { name, namespace, uid } = this.#pod.metadata;
      try {
        const options = { ...(namespace ? { namespace } : {}), type: "merge", subresource: "status" } as const;
        await this.#client.patch(Pods, name, { metadata: { uid }, status }, options);
        this.#written = status;
      } catch (error) {
        if (error instanceof KubeError && (error.code === 404 || error.code === 409)) return;
        this.#log(`status of ${namespace}/${name}: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}
