import type { Datapath, RealizedPolicy } from "../datapath/port.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import { type Endpoint, enterState } from "./endpoint.ts";
import type { RegenerationTimes } from "./metrics/agent-metrics.ts";
import type { Redirects } from "./redirects.ts";
import type { RuleCookies } from "./rule-cookies.ts";

/** What regeneration needs of its surroundings. */
export interface RegenerationPorts {
  readonly datapath: Pick<Datapath, "setPolicies">;
  readonly redirects: Redirects;
  readonly cookies: RuleCookies;
  /** Computes the endpoint's policy now. Throws when the policies contradict each other. */
  readonly resolve: (endpoint: Endpoint) => EndpointPolicy;
  /** The endpoint is gone, and what was computed for it may go. */
  readonly release: (endpoint: Endpoint) => void;
  /** Of the policies that `resolve` goes by now. */
  readonly revision: () => number;
  /** After every regeneration that had something to do. */
  readonly measured: (times: RegenerationTimes) => void;
  /** After every change of `state`, `realized` or `error`. */
  readonly changed: (endpoint: Endpoint) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What the kernel was told. */
interface Written {
  readonly policy: EndpointPolicy;
  readonly version: number;
  readonly ports: ReadonlyMap<string, number>;
}

/** A policy that is to be in the kernel, with the ports that its redirects have there. */
interface Plan {
  readonly endpoint: Endpoint;
  readonly policy: EndpointPolicy;
  readonly proxyPorts: ReadonlyMap<string, number>;
}

const SETTLED = { settled: true } as const;
type Settled = typeof SETTLED;
const NO_FAILURES: ReadonlyMap<number, Error> = new Map();

function inSeconds<T>(step: () => T): readonly [result: T, seconds: number] {
  const begun = performance.now();
  const result = step();
  return [result, (performance.now() - begun) / 1000];
}

function isSamePolicy(written: Written | undefined, policy: EndpointPolicy): boolean {
  return written?.policy === policy && written.version === policy.version;
}

function equalPorts(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([key, port]) => b.get(key) === port);
}

/**
 * Brings an endpoint's kernel policy to what the repository says now. Every step up to the kernel is synchronous, so
 * the last policy always wins; only the proxy's acknowledgement comes later, and then the step is taken again.
 */
export class Regeneration {
  private readonly ports: RegenerationPorts;
  private readonly written = new Map<number, Written>();

  constructor(ports: RegenerationPorts) {
    this.ports = ports;
  }

  /**
   * Returns when the kernel has the policy; redirects that the proxy has not acknowledged drop until then. The promise
   * inside settles with the proxy's answer. On a contradiction the earlier policy stays in force and `error` says why.
   */
  regenerate(endpoint: Endpoint): Promise<void> {
    return this.regenerateAll([endpoint])[0]!;
  }

  /** The same for many, with one call of the kernel; the promises are in the order of the endpoints. */
  regenerateAll(endpoints: readonly Endpoint[]): readonly Promise<void>[] {
    const timed = endpoints.map((endpoint) => inSeconds(() => this.resolve(endpoint)));
    const resolved = timed.map(([each]) => each);
    // The kernel first: were the proxy told first, it could judge by new rules what the old entries still send it.
    const [failures, mapSync] = inSeconds(() =>
      this.write(resolved.flatMap((each) => ("plan" in each ? each.plan : []))),
    );
    return resolved.map((each, index) => {
      const endpoint = endpoints[index]!;
      const error = "error" in each ? each.error : failures.get(endpoint.id);
      if (!("settled" in each)) {
        const failed = "error" in each ? "PolicyRegenerationError" : error === undefined ? "" : "PolicyBPFError";
        this.ports.measured({ error: failed, calculation: timed[index]![1], mapSync });
      }
      if (error !== undefined) return this.fail(endpoint, error);
      return "plan" in each ? this.publish(endpoint, each.plan.policy) : Promise.resolve();
    });
  }

  /** What is to be done for the endpoint; nothing when the kernel and the proxy have its policy. */
  private resolve(endpoint: Endpoint): { readonly plan: Plan } | { readonly error: Error } | Settled {
    try {
      const revision = this.ports.revision();
      const policy = this.ports.resolve(endpoint);
      endpoint.revision = revision;
      const isSettled = endpoint.state === "ready" && endpoint.error === "" && endpoint.realized === policy;
      if (isSettled && isSamePolicy(this.written.get(endpoint.id), policy)) return SETTLED;
      return { plan: this.planOf(endpoint, policy) };
    } catch (error) {
      return { error: error as Error };
    }
  }

  private fail(endpoint: Endpoint, error: Error): Promise<void> {
    endpoint.error = error.message;
    const state = endpoint.realized === undefined ? "not-ready" : endpoint.state;
    enterState(endpoint, { state, message: error.message, isFailure: true, at: this.ports.now() });
    this.ports.changed(endpoint);
    return Promise.reject(error);
  }

  /** Tells the proxy what is coming and leaves the kernel as it is. Rejects when the policies contradict each other. */
  async announce(endpoint: Endpoint): Promise<void> {
    await this.publish(endpoint, this.ports.resolve(endpoint));
  }

  /** The proxy's ports for the endpoint changed. */
  portsChanged(endpoint: Endpoint, ports: ReadonlyMap<string, number>): void {
    this.ports.redirects.setPorts(endpoint.id, ports);
    this.rewrite(endpoint);
  }

  forget(endpoint: Endpoint): void {
    this.written.delete(endpoint.id);
    this.ports.release(endpoint);
    this.ports.redirects.remove(endpoint.id);
  }

  private publish(endpoint: Endpoint, policy: EndpointPolicy): Promise<void> {
    const { redirects } = this.ports;
    return redirects.publish(endpoint.id, endpoint.request.address, policy, () => this.rewrite(endpoint));
  }

  private planOf(endpoint: Endpoint, policy: EndpointPolicy): Plan {
    return { endpoint, policy, proxyPorts: this.ports.redirects.portsFor(endpoint.id, policy) };
  }

  /** The kernel's map for the policy that the endpoint has, with the ports that the proxy has now. */
  private rewrite(endpoint: Endpoint): void {
    if (!endpoint.attached || endpoint.realized === undefined) return;
    for (const error of this.write([this.planOf(endpoint, endpoint.realized)]).values()) throw error;
  }

  /** Returns the endpoints that the kernel did not take, with the reason; they keep what they had. */
  private write(plans: readonly Plan[]): ReadonlyMap<number, Error> {
    const due = plans.filter((plan) => !this.isWritten(plan));
    for (const { endpoint } of due) this.written.delete(endpoint.id);
    const policies = this.realized(due);
    const failures = policies.size === 0 ? NO_FAILURES : this.setPolicies(policies);
    for (const { endpoint, policy, proxyPorts } of due) {
      if (failures.has(endpoint.id)) continue;
      this.written.set(endpoint.id, { policy, version: policy.version, ports: proxyPorts });
    }
    for (const plan of plans) if (!failures.has(plan.endpoint.id)) this.show(plan);
    return failures;
  }

  private setPolicies(policies: ReadonlyMap<number, RealizedPolicy>): ReadonlyMap<number, Error> {
    try {
      return this.ports.datapath.setPolicies(policies);
    } catch (error) {
      return new Map([...policies.keys()].map((id) => [id, error as Error]));
    }
  }

  private isWritten({ endpoint, policy, proxyPorts }: Plan): boolean {
    const written = this.written.get(endpoint.id);
    return written !== undefined && isSamePolicy(written, policy) && equalPorts(written.ports, proxyPorts);
  }

  /** By the ids of the endpoints; those with one policy and no ports of their own share an object, and in the kernel a map. */
  private realized(plans: readonly Plan[]): ReadonlyMap<number, RealizedPolicy> {
    const shared = new Map<EndpointPolicy, RealizedPolicy>();
    const realize = ({ policy, proxyPorts }: Plan): RealizedPolicy => {
      const known = proxyPorts.size === 0 ? shared.get(policy) : undefined;
      if (known !== undefined) return known;
      const cookies = policy.origins.map((origins) => this.ports.cookies.cookieOf(origins));
      const fresh = { policy, proxyPorts, cookies };
      if (proxyPorts.size === 0) shared.set(policy, fresh);
      return fresh;
    };
    return new Map(plans.map((plan) => [plan.endpoint.id, realize(plan)]));
  }

  private show({ endpoint, policy, proxyPorts }: Plan): void {
    const state = policy.redirects.every((redirect) => proxyPorts.has(redirect.key)) ? "ready" : "regenerating";
    const isSame = endpoint.realized === policy && endpoint.state === state && endpoint.error === "";
    endpoint.realized = policy;
    const message = state === "ready" ? `Policy revision ${policy.revision} in force` : "Waiting for the proxy";
    enterState(endpoint, { state, message, isFailure: false, at: this.ports.now() });
    endpoint.error = "";
    if (!isSame) this.ports.changed(endpoint);
  }
}
