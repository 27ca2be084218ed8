import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type KubeClient, KubeError, Pods } from "../kube/client/index.ts";
import {
  type AttachOptions,
  type ContainerStatus,
  type ExecConfig,
  type ExecSession,
  type Runtime,
  RuntimeError,
  type SandboxConfig,
} from "../runtime/port.ts";
import type { AgentClient } from "./agent-client.ts";
import { containerConfig } from "./container-config.ts";
import type { RunnerPlace } from "./container-runner.ts";
import { type ClusterDns, hostsOf, resolvConfOf } from "./dns-config.ts";
import type { EventRecorder } from "./events.ts";
import type { PodFacts } from "./field-ref.ts";
import type { ObjectReader } from "./object-reader.ts";
import { addressesOf, type KubeletNode } from "./options.ts";
import { aborted, pause } from "./pause.ts";
import { hostnameOf, type Pod, podKey } from "./pod.ts";
import { PodContainers } from "./pod-containers.ts";
import {
  type PodNetworkRecord,
  podAddresses,
  readNetworkRecord,
  setUpPodNetwork,
  tearDownPodNetwork,
} from "./pod-network.ts";
import { podStatus, refusedView } from "./pod-status.ts";
import { StatusWriter } from "./status-writer.ts";
import { refusalsOf, refusalText, remarksOn, remarkText } from "./support.ts";
import { type PodVolumes, prepareVolumes } from "./volumes.ts";

/** What all pod workers of a kubelet share. */
export interface WorkerPlace {
  readonly client: KubeClient;
  readonly runtime: Runtime;
  readonly reader: ObjectReader;
  readonly events: EventRecorder;
  readonly agent: AgentClient;
  readonly node: KubeletNode;
  readonly podsDirectory: string;
  readonly dns: ClusterDns;
  readonly log: (line: string) => void;
}

/** Of an event, in characters: what an API server takes. */
const LONGEST_MESSAGE = 1_024;
const SANDBOX_RETRY_MS = 100;
/** The same failure is told again after this long. */
const EVENT_INTERVAL_MS = 10_000;
/** As the kubelet of Kubernetes: mounted ConfigMaps and Secrets follow their objects within a minute. */
const VOLUME_REFRESH_MS = 60_000;
const DEFAULT_GRACE_S = 30;
/** What a timer can wait; a deadline beyond it is looked at again by a new kubelet, or never met. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One pod on one node, from its binding to the end of its last process. */
export class PodWorker {
  readonly #place: WorkerPlace;
  readonly #containers: PodContainers;
  readonly #writer: StatusWriter;
  readonly #ending = new AbortController();
  readonly #startedAtMs: number;
  readonly done: Promise<void>;
  #pod: Pod;
  /** Of each family one, IPv4 first; empty while there is none. */
  #podIPs: readonly string[] = [];
  #sandboxReady = false;
  #netnsPath: string | undefined;
  /** Of a sandbox that has died: to be given back before a new one is set up. */
  #lostNetwork: PodNetworkRecord | undefined;
  #volumes: PodVolumes | undefined;
  /** Why the pod has failed, whatever its containers say. */
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #gone = false;
  #detached = false;
  #lastFailure = { text: "", atMs: 0 };

  constructor(place: WorkerPlace, pod: Pod) {
    this.#place = place;
    this.#pod = pod;
    this.#startedAtMs = Date.parse(String(pod.status?.["startTime"] ?? "")) || Date.now();
    this.#writer = new StatusWriter(place.client, pod, place.log);
    this.#containers = new PodContainers(this.#runnerPlace(), pod);
    this.done = this.#run().catch((error: Error) => place.log(`pod ${podKey(pod)}: ${error.stack ?? error.message}`));
  }

  get id(): string {
    return this.#pod.metadata.uid ?? "";
  }

  get pod(): Pod {
    return this.#pod;
  }

  get podIP(): string | undefined {
    return this.#podIPs[0];
  }

  /** Path of the pod's network namespace, once it is ready. */
  get netnsPath(): string | undefined {
    return this.#netnsPath;
  }

  containerStatus(container: string): ContainerStatus | undefined {
    return this.#place.runtime.containerStatus(this.id, container);
  }

  update(pod: Pod): void {
    this.#pod = pod;
    this.#containers.follow(pod);
    if (pod.metadata.deletionTimestamp !== undefined) this.#ending.abort();
  }

  /** Lets go of the pod as it is: another kubelet takes it over. */
  detach(): void {
    this.#detached = true;
    this.#writer.close();
    this.#ending.abort();
  }

  /** The object is gone from the API: nothing is left to be told. */
  gone(): void {
    this.#gone = true;
    this.#writer.close();
    this.#ending.abort();
  }

  exited(container: string): void {
    this.#containers.exited(container);
  }

  exec(container: string, config: ExecConfig): Promise<ExecSession> {
    return this.#place.runtime.exec(this.id, container, config);
  }

  attach(container: string, options: AttachOptions): Promise<ExecSession> {
    return this.#place.runtime.attach(this.id, container, options);
  }

  get #directory(): string {
    return join(this.#place.podsDirectory, this.id);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    if (this.#pod.metadata.deletionTimestamp !== undefined) this.#ending.abort();
    const phase = this.#pod.status?.["phase"];
    const over = phase === "Succeeded" || phase === "Failed";
    if (!over && this.#supported() && (await this.#prepare(signal))) await this.#runUntilDeadline(signal);
    if (!signal.aborted && !over && this.#sandboxReady) await this.#leaveNetwork(signal);
    await aborted(signal);
    if (!this.#detached) await this.#terminate();
  }

  #supported(): boolean {
    const refusals = refusalsOf(this.#pod);
    if (refusals.length === 0) return true;
    const message = refusalText(refusals);
    this.#place.events.pod(this.#pod, "Warning", "Failed", `Error: ${message}`);
    const view = refusedView(this.#pod, addressesOf(this.#place.node), this.#startedAtMs, message);
    this.#writer.set(podStatus(this.#pod, view, Date.now()));
    return false;
  }

  /** Says what of the pod has no effect, once: only the lab's own API server does when the pod is made. */
  #tellRemarks(): void {
    const remarks = remarksOn(this.#pod).map(remarkText).join("; ");
    if (remarks !== "")
      this.#place.events.pod(this.#pod, "Warning", "WithoutEffect", remarks.slice(0, LONGEST_MESSAGE));
  }

  /** Takes over a sandbox whose containers an earlier kubelet started. The agent keeps its endpoints by itself. */
  async #adopt(): Promise<boolean> {
    const { runtime } = this.#place;
    const record = readNetworkRecord(this.#directory);
    const known = this.#containers.names.some((container) => runtime.containerStatus(this.id, container));
    if (record === undefined || !known) return false;
    const sandbox = await runtime.createSandbox(this.#sandboxConfig());
    if (sandbox.pid !== record.sandboxPid) {
      this.#lostNetwork = record;
      return false;
    }
    this.#podIPs = podAddresses(record);
    this.#netnsPath = sandbox.netnsPath;
    await this.#prepareVolumes().catch((error: Error) => this.#tellFailure(error));
    return true;
  }

  #sandboxConfig(): SandboxConfig {
    const { dns } = this.#place;
    const { namespace = "default", name } = this.#pod.metadata;
    return {
      ...{ id: this.id, namespace, name, hostname: hostnameOf(this.#pod), directory: this.#directory },
      resolvConf: resolvConfOf(this.#pod, dns),
      hosts: hostsOf(this.#pod, dns, []),
      sharesProcesses: this.#pod.spec.shareProcessNamespace === true,
    };
  }

  /** Sandbox, network, volumes. Tries until it works: a pod whose network is not in force starts nothing. */
  async #prepare(signal: AbortSignal): Promise<boolean> {
    const adopted = await this.#adopt();
    if (!adopted) {
      this.#tellRemarks();
      this.#changed();
    }
    while (!signal.aborted) {
      try {
        if (!adopted) await this.#prepareOnce();
        // told with what becomes of the first container, a moment later
        this.#sandboxReady = true;
        void this.#keepVolumes(signal);
        return true;
      } catch (error) {
        this.#tellFailure(error as Error);
        await pause(SANDBOX_RETRY_MS, signal);
      }
    }
    return false;
  }

  async #prepareOnce(): Promise<void> {
    const { runtime, node, agent, dns } = this.#place;
    const { namespace = "default", name } = this.#pod.metadata;
    const sandbox = await runtime.createSandbox(this.#sandboxConfig());
    if (this.#lostNetwork) await tearDownPodNetwork(agent, node.netnsPath, this.#lostNetwork);
    this.#lostNetwork = undefined;
    const place = {
      agent,
      nodeNetns: node.netnsPath,
      podNamespace: namespace,
      podName: name,
      podUid: this.id,
      directory: this.#directory,
    };
    const network = await setUpPodNetwork(place, sandbox.pid, sandbox.netnsPath);
    this.#podIPs = podAddresses(network);
    this.#netnsPath = sandbox.netnsPath;
    const hosts = join(this.#directory, "etc/hosts");
    const text = hostsOf(this.#pod, dns, this.#podIPs);
    // the file is mounted: it is written in place
    if (!existsSync(hosts) || readFileSync(hosts, "utf8") !== text) writeFileSync(hosts, text);
    await this.#prepareVolumes();
  }

  get #facts(): PodFacts {
    return { podIPs: this.#podIPs, hostIPs: addressesOf(this.#place.node) };
  }

  async #prepareVolumes(): Promise<void> {
    this.#volumes = await prepareVolumes(this.#pod, this.#facts, this.#place.reader, this.#directory, Date.now);
  }

  async #keepVolumes(signal: AbortSignal): Promise<void> {
    const follows = (this.#pod.spec.volumes ?? []).some(
      (volume) => volume.configMap ?? volume.secret ?? volume.projected,
    );
    while (follows && !signal.aborted) {
      const tokenMs = (this.#volumes?.refreshAtMs ?? Number.POSITIVE_INFINITY) - Date.now();
      await pause(Math.max(1_000, Math.min(VOLUME_REFRESH_MS, tokenMs)), signal);
      if (signal.aborted) return;
      await this.#prepareVolumes().catch((error: Error) => this.#tellFailure(error));
    }
  }

  #tellFailure(error: Error): void {
    const now = Date.now();
    if (this.#lastFailure.text === error.message && now - this.#lastFailure.atMs < EVENT_INTERVAL_MS) return;
    this.#lastFailure = { text: error.message, atMs: now };
    const mount = this.#podIPs.length > 0 && !(error instanceof RuntimeError);
    const reason = mount ? "FailedMount" : "FailedCreatePodSandBox";
    const text = mount
      ? `MountVolume.SetUp failed: ${error.message}`
      : `Failed to create pod sandbox: ${error.message}`;
    this.#place.events.pod(this.#pod, "Warning", reason, text);
  }

  /** A pod that may be active for so long only has failed when it still is. */
  async #runUntilDeadline(signal: AbortSignal): Promise<void> {
    const { activeDeadlineSeconds: seconds } = this.#pod.spec;
    if (typeof seconds !== "number") return this.#containers.run(signal);
    const late = new AbortController();
    const left = Math.max(0, this.#startedAtMs + seconds * 1000 - Date.now());
    const timer = setTimeout(() => late.abort(), Math.min(left, LONGEST_TIMER_MS));
    await this.#containers.run(AbortSignal.any([signal, late.signal]));
    clearTimeout(timer);
    if (signal.aborted || !late.signal.aborted) return;
    const message = "Pod was active on the node longer than the specified deadline";
    this.#place.events.pod(this.#pod, "Normal", "DeadlineExceeded", message);
    await this.#containers.stop(this.#graceMs());
    this.#failure = { reason: "DeadlineExceeded", message };
  }

  /** A pod that is over keeps its logs and gives its address back. */
  async #leaveNetwork(signal: AbortSignal): Promise<void> {
    this.#changed();
    while (!signal.aborted && this.#podIPs.length > 0) {
      try {
        await this.#removeNetwork();
        this.#podIPs = [];
      } catch {
        await pause(SANDBOX_RETRY_MS, signal);
      }
    }
  }

  async #removeNetwork(): Promise<void> {
    const record = readNetworkRecord(this.#directory);
    if (record !== undefined) await tearDownPodNetwork(this.#place.agent, this.#place.node.netnsPath, record);
  }

  async #terminate(): Promise<void> {
    await this.#containers.stop(this.#graceMs());
    if (!this.#gone) {
      this.#changed();
      await this.#writer.settled();
    }
    await this.#removeRest();
    if (!this.#gone) await this.#deleteObject();
    this.#writer.close();
  }

  /** Endpoint first, so that no address is free while rules still speak of it. A dead agent is waited for. */
  async #removeRest(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.#removeNetwork();
        break;
      } catch (error) {
        if (tries % 50 === 0)
          this.#place.log(`network of ${podKey(this.#pod)}: ${(error as Error).message}; trying again`);
        await new Promise((resolve) => setTimeout(resolve, SANDBOX_RETRY_MS));
      }
    }
    await this.#place.runtime.removeSandbox(this.id);
  }

  async #deleteObject(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata;
    while (!this.#gone) {
      try {
        const options = {
          ...(namespace ? { namespace } : {}),
          gracePeriodSeconds: 0,
          ...(uid ? { preconditions: { uid } } : {}),
        };
        await this.#place.client.delete(Pods, name, options);
        return;
      } catch (error) {
        if (error instanceof KubeError && (error.code === 404 || error.code === 409)) return;
        this.#place.log(`delete of ${podKey(this.#pod)}: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, SANDBOX_RETRY_MS));
      }
    }
  }

  #graceMs(): number {
    const { deletionGracePeriodSeconds } = this.#pod.metadata;
    return (deletionGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_S) * 1000;
  }

  #changed(): void {
    const view = {
      ...this.#containers.views,
      ...(this.#failure ? { failure: this.#failure } : {}),
      ...this.#facts,
      startedAtMs: this.#startedAtMs,
      sandboxReady: this.#sandboxReady,
    };
    this.#writer.set(podStatus(this.#pod, view, Date.now()));
  }

  #runnerPlace(): RunnerPlace {
    const { runtime, events, node } = this.#place;
    return {
      sandboxId: this.id,
      ...{ runtime, events },
      pod: () => this.#pod,
      configure: (container) => {
        return containerConfig(container, this.#pod, this.#facts, this.#place.reader, this.#volumes);
      },
      probeTarget: (container) => ({
        ...{ container, podIP: this.podIP ?? "", nodeNetns: node.netnsPath },
        exec: (command) => this.exec(container.name, { command, tty: false, stdin: false }),
      }),
      changed: () => this.#changed(),
      graceMs: () => this.#graceMs(),
    };
  }
}
