import fc from "fast-check";
import { expect, test } from "vitest";
import type { EndpointChangeRequest } from "../../src/agent/api.ts";
import { CiliumEndpoints, CiliumIdentities, CiliumNetworkPolicies, Pods } from "../../src/kube/resources.ts";
import { identityCandidates, identityLabelsOfPod } from "../../src/model/identity.ts";
import { AgentWorld } from "../support/agent-world.ts";

const TCP = 6;
const PORTS = [80, 443];
const SUBJECTS = ["web", "db"];
const APPS = [...SUBJECTS, "job", "cron", "ops"];
const NAMES = ["p0", "p1", "p2", "p3"];

/** A policy of the simulation: plain enough that the oracle below can be read at a glance. */
interface ToyPolicy {
  readonly subject: string;
  /** undefined = every pod. */
  readonly peer: string | undefined;
  readonly port: number | undefined;
  readonly deny: boolean;
}

interface ToyPod {
  readonly address: string;
  readonly app: string;
  readonly local: boolean;
}

/** What is true in the cluster at one moment. */
interface Truth {
  readonly pods: ReadonlyMap<string, ToyPod>;
  readonly policies: ReadonlyMap<string, ToyPolicy>;
}

function specOf(policy: ToyPolicy): unknown {
  const element = {
    ...(policy.peer === undefined
      ? { fromEntities: ["all"] }
      : { fromEndpoints: [{ matchLabels: { app: policy.peer } }] }),
    ...(policy.port === undefined ? {} : { toPorts: [{ ports: [{ port: String(policy.port), protocol: "TCP" }] }] }),
  };
  return {
    endpointSelector: { matchLabels: { app: policy.subject } },
    [policy.deny ? "ingressDeny" : "ingress"]: [element],
  };
}

/** The naive oracle: reads the policies one by one, knows nothing of identities, maps or order. */
function allows({ policies }: Truth, subject: ToyPod, peer: ToyPod, port: number): boolean {
  const own = [...policies.values()].filter((policy) => policy.subject === subject.app);
  if (own.length === 0) return true;
  const matching = own.filter((policy) => (policy.peer ?? peer.app) === peer.app && (policy.port ?? port) === port);
  return matching.some((policy) => !policy.deny) && !matching.some((policy) => policy.deny);
}

function labelsOf(app: string) {
  return identityLabelsOfPod({
    podLabels: { app },
    namespace: "default",
    namespaceLabels: { "kubernetes.io/metadata.name": "default" },
    serviceAccount: "default",
    cluster: "default",
  });
}

/** The number that the labels get when nobody is in the way. */
function identityOf(app: string): number {
  const [id] = identityCandidates(labelsOf(app));
  return id!;
}

class Simulation {
  readonly world = new AgentWorld();
  readonly wrong: string[] = [];
  private readonly pods = new Map<string, ToyPod>();
  private readonly policies = new Map<string, ToyPolicy>();
  private readonly requests = new Map<string, EndpointChangeRequest>();
  private truths: Truth[] = [];
  private step = "start";

  async begin(): Promise<void> {
    this.remember();
    this.world.datapath.onChange = (what) => this.check(what);
    await this.world.startSynced();
    // Everybody may, so that what keeps somebody out is a deny rule: the case where not knowing a peer opens.
    for (const subject of SUBJECTS) {
      this.setPolicy(`all-to-${subject}`, { subject, peer: undefined, port: undefined, deny: false });
    }
    await this.startLocal("p0", "web");
    await this.settled();
  }

  /** Plays one event. `rounds` turns of the loop later the next one comes; undefined = when all is quiet. */
  async apply(name: string, rounds: number | undefined, action: () => Promise<void> | void): Promise<void> {
    this.step = name;
    await action();
    if (rounds === undefined) return this.settled();
    for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
  }

  async startLocal(name: string, app: string): Promise<void> {
    if (this.pods.has(name)) return this.relabel(name, app);
    const request = await this.world.prepare(this.world.putPod(name, { app }));
    this.pods.set(name, { address: request.address, app, local: true });
    this.remember();
    const answer = await this.world.put(request);
    if (answer.status === 201) this.requests.set(name, request);
    else await this.stop(name);
  }

  startRemote(name: string, app: string, endpointFirst: boolean): void {
    if (this.pods.has(name)) return;
    const address = `172.20.2.${10 + NAMES.indexOf(name)}`;
    this.pods.set(name, { address, app, local: false });
    this.remember();
    const announce = () => this.announce(name, app, address);
    if (endpointFirst) announce();
    this.identify(app);
    if (!endpointFirst) announce();
  }

  relabel(name: string, app: string): void {
    const pod = this.pods.get(name);
    if (pod === undefined || pod.app === app) return;
    this.pods.set(name, { ...pod, app });
    this.remember();
    if (pod.local) {
      const object = this.world.kube.peek(Pods, name, "default")!;
      this.world.kube.replace(Pods, { ...object, metadata: { ...object.metadata, labels: { app } } });
      return;
    }
    this.identify(app);
    this.announce(name, app, pod.address);
  }

  async stop(name: string): Promise<void> {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    this.pods.delete(name);
    this.remember();
    const request = this.requests.get(name);
    this.requests.delete(name);
    if (request !== undefined) await this.world.removePod(request);
    else if (!pod.local) this.world.kube.drop(CiliumEndpoints, name, "default");
    this.collect(pod.app);
  }

  setPolicy(name: string, policy: ToyPolicy | undefined): void {
    if (policy === undefined) this.policies.delete(name);
    else this.policies.set(name, policy);
    this.remember();
    if (policy === undefined) this.world.kube.drop(CiliumNetworkPolicies, name, "default");
    else this.world.policy(name, specOf(policy));
  }

  /** While the agent is down the cluster goes on. */
  async restart(meanwhile: () => void): Promise<void> {
    await this.world.stop();
    meanwhile();
    await this.world.startSynced();
  }

  /** In the end the kernel says exactly what the policies say. */
  expectExact(): void {
    const truth = this.truth();
    this.pairs(truth, (subject, peer, port) => {
      const verdict = this.world.datapath.ingress(peer.address, subject.address, TCP, port);
      expect([this.step, subject, peer, port, verdict]).toEqual([
        this.step,
        subject,
        peer,
        port,
        allows(truth, subject, peer, port) ? "allow" : "deny",
      ]);
    });
  }

  async end(): Promise<void> {
    this.world.datapath.onChange = () => undefined;
    await this.world.end();
  }

  private identify(app: string): void {
    const labels = labelsOf(app);
    const id = identityOf(app);
    if (this.world.kube.peek(CiliumIdentities, String(id)) !== undefined) return;
    this.world.kube.put(CiliumIdentities, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumIdentity",
      metadata: { name: String(id) },
      "security-labels": Object.fromEntries(labels.map((label) => [`${label.source}:${label.key}`, label.value])),
    });
  }

  /** The operator's part: an identity that no pod has goes away. */
  private collect(app: string): void {
    if ([...this.pods.values()].some((pod) => pod.app === app)) return;
    this.world.kube.drop(CiliumIdentities, String(identityOf(app)));
  }

  private announce(name: string, app: string, address: string): void {
    // The other node's agent takes over what an earlier pod of the name left.
    this.world.kube.drop(CiliumEndpoints, name, "default");
    this.world.kube.put(CiliumEndpoints, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumEndpoint",
      metadata: { name, namespace: "default" },
      status: {
        identity: { id: identityOf(app) },
        networking: { addressing: [{ ipv4: address }], node: "192.168.10.102" },
      },
    });
  }

  private truth(): Truth {
    return { pods: new Map(this.pods), policies: new Map(this.policies) };
  }

  private remember(): void {
    this.truths.push(this.truth());
  }

  private async settled(): Promise<void> {
    await this.world.settle();
    this.truths = [this.truth()];
    this.check("settled");
  }

  private pairs(truth: Truth, each: (subject: ToyPod, peer: ToyPod, port: number) => void): void {
    for (const [name, subject] of truth.pods) {
      if (!subject.local) continue;
      for (const [other, peer] of truth.pods) if (other !== name) for (const port of PORTS) each(subject, peer, port);
    }
  }

  /**
   * An allow must be right by the policies and labels of some moment since all was quiet. A peer that has
   * neither an endpoint here nor an ipcache entry is not known to this node yet: it passes for unmanaged.
   */
  private check(what: string): void {
    const { datapath } = this.world;
    this.pairs(this.truths.at(-1)!, (subject, peer, port) => {
      const isHere = datapath.listEndpoints().some(({ address }) => address === peer.address);
      const known = isHere || datapath.listIpcache().has(`${peer.address}/32`);
      if (!known || datapath.ingress(peer.address, subject.address, TCP, port) === "deny") return;
      const subjects = this.versions(subject.address);
      const peers = this.versions(peer.address);
      const isRight = this.truths.some((truth) =>
        subjects.some((one) => peers.some((other) => allows(truth, one, other, port))),
      );
      if (!isRight) this.wrong.push(`${this.step}, ${what}: ${JSON.stringify({ subject, peer, port })}`);
    });
  }

  /** What the pod at this address was since all was quiet. */
  private versions(address: string): readonly ToyPod[] {
    return this.truths.flatMap(({ pods }) => [...pods.values()].filter((pod) => pod.address === address));
  }
}

const name = fc.constantFrom(...NAMES);
const app = fc.constantFrom(...APPS);
const policy: fc.Arbitrary<ToyPolicy> = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  peer: fc.option(app, { nil: undefined, freq: 10 }),
  port: fc.option(fc.constantFrom(...PORTS), { nil: undefined }),
  deny: fc.constantFrom(true, true, true, false),
});
const policyChange = fc.record({ name: fc.constantFrom("a", "b", "c"), policy: fc.option(policy, { nil: undefined }) });

const step = fc.oneof(
  fc.record({ kind: fc.constant("local" as const), name, app }),
  fc.record({ kind: fc.constant("remote" as const), name, app, endpointFirst: fc.boolean() }),
  fc.record({ kind: fc.constant("relabel" as const), name, app }),
  fc.record({ kind: fc.constant("stop" as const), name }),
  fc.record({ kind: fc.constant("policy" as const), change: policyChange }),
  fc.record({ kind: fc.constant("policies" as const), changes: fc.array(policyChange, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant("restart" as const), changes: fc.array(policyChange, { maxLength: 2 }), name, app }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function play(simulation: Simulation, event: Step): Promise<void> {
  switch (event.kind) {
    case "local":
      return simulation.startLocal(event.name, event.app);
    case "remote":
      return simulation.startRemote(event.name, event.app, event.endpointFirst);
    case "relabel":
      return simulation.relabel(event.name, event.app);
    case "stop":
      return simulation.stop(event.name);
    case "policy":
      return simulation.setPolicy(event.change.name, event.change.policy);
    case "policies":
      for (const change of event.changes) simulation.setPolicy(change.name, change.policy);
      return;
    case "restart":
      return simulation.restart(() => {
        for (const change of event.changes) simulation.setPolicy(change.name, change.policy);
        simulation.relabel(event.name, event.app);
      });
  }
}

const rounds = fc.constantFrom(undefined, undefined, 0, 1, 3);

test("no sequence of pods, labels, policies and restarts ever lets through what the policies deny", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, rounds), { minLength: 6, maxLength: 24 }), async (steps) => {
      const simulation = new Simulation();
      try {
        await simulation.begin();
        for (const [event, wait] of steps) {
          await simulation.apply(JSON.stringify(event), wait, () => play(simulation, event));
          expect(simulation.wrong).toEqual([]);
          if (wait === undefined) simulation.expectExact();
        }
      } finally {
        await simulation.end();
      }
    }),
    { numRuns: 200 },
  );
}, 120_000);
