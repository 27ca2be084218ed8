import type { Datapath } from "../datapath/port.ts";
import type { EndpointPolicy, PolicyMapEntry } from "../policy/policy-map.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Redirects } from "./redirects.ts";
import type { RuleCookies } from "./rule-cookies.ts";

/** What regeneration needs of its surroundings. */
export interface RegenerationPorts {
  readonly datapath: Pick<Datapath, "setPolicy">;
  readonly redirects: Redirects;
  readonly cookies: RuleCookies;
  /** Computes the endpoint's policy now. Throws when the policies contradict each other. */
  readonly resolve: (endpoint: Endpoint) => EndpointPolicy;
  /** After every change of `state`, `realized` or `error`. */
  readonly changed: (endpoint: Endpoint) => void;
}

/** Identity of what the kernel was told: equal text, equal map. The revision is part of it only where events show it. */
function contentOf(policy: EndpointPolicy, ports: ReadonlyMap<string, number>): string {
  const entries = policy.entries.map((entry: PolicyMapEntry) => [entry, policy.origins[entry.origin]]);
  const defaults = [policy.ingressDefaultOrigin, policy.egressDefaultOrigin].map((index) => policy.origins[index]);
  return JSON.stringify([entries, defaults, policy.ingressEnforced, policy.egressEnforced, [...ports]]);
}

/**
 * Brings an endpoint's kernel policy to what the repository says now. Every step up to the kernel is synchronous, so
 * the last policy always wins; only the proxy's acknowledgement comes later, and then the step is taken again.
 */
export class Regeneration {
  private readonly ports: RegenerationPorts;
  private readonly written = new Map<number, string>();

  constructor(ports: RegenerationPorts) {
    this.ports = ports;
  }

  /**
   * Returns when the kernel has the policy; redirects that the proxy has not acknowledged drop until then. The promise
   * inside settles with the proxy's answer. On a contradiction the earlier policy stays in force and `error` says why.
   */
  regenerate(endpoint: Endpoint): Promise<void> {
    let policy: EndpointPolicy;
    try {
      policy = this.ports.resolve(endpoint);
      // The kernel first: were the proxy told first, it could judge by new rules what the old entries still send it.
      this.write(endpoint, policy);
      return this.publish(endpoint, policy);
    } catch (error) {
      endpoint.error = (error as Error).message;
      endpoint.state = endpoint.realized === undefined ? "not-ready" : endpoint.state;
      this.ports.changed(endpoint);
      return Promise.reject(error);
    }
  }

  /** Tells the proxy what is coming and leaves the kernel as it is. Rejects when the policies contradict each other. */
  async announce(endpoint: Endpoint): Promise<void> {
    await this.publish(endpoint, this.ports.resolve(endpoint));
  }

  /** The proxy's ports for the endpoint changed. */
  portsChanged(endpoint: Endpoint, ports: ReadonlyMap<string, number>): void {
    this.ports.redirects.setPorts(endpoint.id, ports);
    if (endpoint.attached && endpoint.realized !== undefined) this.write(endpoint, endpoint.realized);
  }

  forget(endpoint: Endpoint): void {
    this.written.delete(endpoint.id);
    this.ports.redirects.remove(endpoint.id);
  }

  private publish(endpoint: Endpoint, policy: EndpointPolicy): Promise<void> {
    const { redirects } = this.ports;
    return redirects.publish(endpoint.id, endpoint.request.address, policy, () => {
      if (endpoint.attached && endpoint.realized !== undefined) this.write(endpoint, endpoint.realized);
    });
  }

  private write(endpoint: Endpoint, policy: EndpointPolicy): void {
    const proxyPorts = this.ports.redirects.portsFor(endpoint.id, policy);
    const content = contentOf(policy, proxyPorts);
    if (this.written.get(endpoint.id) !== content) {
      this.written.delete(endpoint.id);
      const cookies = policy.origins.map((origins) => this.ports.cookies.cookieOf(origins));
      this.ports.datapath.setPolicy(endpoint.id, { policy, proxyPorts, cookies });
      this.written.set(endpoint.id, content);
    }
    const state = policy.redirects.every((redirect) => proxyPorts.has(redirect.key)) ? "ready" : "regenerating";
    const isSame = endpoint.realized === policy && endpoint.state === state && endpoint.error === "";
    endpoint.realized = policy;
    endpoint.state = state;
    endpoint.error = "";
    if (!isSame) this.ports.changed(endpoint);
  }
}
