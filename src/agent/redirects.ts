import { protocolName } from "../model/protocol.ts";
import type { EndpointPolicy, L7Redirect } from "../policy/policy-map.ts";
import type { NetworkPolicy } from "../proxy/xds.ts";
import { type HeaderSecrets, secretNames } from "./header-secrets.ts";
import { type IsKnown, isNoWider } from "./redirect-width.ts";
import type { ProxyRedirect } from "./status-model.ts";

/** The agent's side of the proxy's configuration channel. */
export interface PolicyDiscovery {
  /** Sends the policy; resolves with the port of each redirect once the proxy has it in force. */
  publish(policy: NetworkPolicy): Promise<ReadonlyMap<string, number>>;
  remove(endpointId: number): void;
}

/** One state of an endpoint's redirects that was sent to the proxy. */
interface Publication {
  readonly content: string;
  readonly redirects: ReadonlyMap<string, L7Redirect>;
  /** Settles with the proxy's answer. */
  acknowledged: Promise<void>;
}

/** What an endpoint's redirects are to be, as `publish` was last asked. */
interface Wanted {
  readonly endpointIp: string;
  readonly policy: EndpointPolicy;
  readonly secrets: ReadonlySet<string>;
  readonly onAcknowledged: () => void;
}

interface EndpointRedirects {
  /** Acknowledged ports by redirect key. */
  ports: ReadonlyMap<string, number>;
  /** What the proxy may be judging by now: the last acknowledged publication and those sent after it, in order. */
  possible: readonly Publication[];
  /** The one sent last, even when the proxy refused it. */
  latest: Publication;
}

function contentOf(policy: EndpointPolicy, secrets: NetworkPolicy["secrets"]): string {
  return JSON.stringify([policy.redirects.map((redirect) => [redirect, ruleOrigins(policy, redirect)]), [...secrets]]);
}

/** The proxy names rules in its records by origin, so a change of origin is a change. */
function ruleOrigins(policy: EndpointPolicy, redirect: L7Redirect): unknown {
  return redirect.rules.map((rule) => policy.origins[rule.origin]);
}

/**
 * What the proxy judges by, for each endpoint. A redirect has a port only when every rule set that the proxy may be
 * using now lets through nothing that the wanted one refuses; without a port the datapath drops.
 */
export class Redirects {
  private readonly discovery: PolicyDiscovery;
  private readonly isKnown: IsKnown;
  private readonly secrets: HeaderSecrets;
  private readonly endpoints = new Map<number, EndpointRedirects>();
  private readonly wanted = new Map<number, Wanted>();

  /** `failed` is told when the proxy refuses rules with the value that a secret has now. */
  constructor(discovery: PolicyDiscovery, isKnown: IsKnown, secrets: HeaderSecrets, failed: (error: unknown) => void) {
    this.discovery = discovery;
    this.isKnown = isKnown;
    this.secrets = secrets;
    secrets.onChange = (name) => {
      for (const [endpointId, wanted] of this.wanted)
        if (wanted.secrets.has(name)) this.publishWanted(endpointId, wanted).catch(failed);
    };
  }

  /** Redirect key -> port, of those redirects that are safe to use now. */
  portsFor(endpointId: number, policy: EndpointPolicy): ReadonlyMap<string, number> {
    const state = this.endpoints.get(endpointId);
    const ports = new Map<string, number>();
    for (const redirect of policy.redirects) {
      const port = state?.ports.get(redirect.key);
      if (port !== undefined && state !== undefined && this.isSafe(state, redirect)) ports.set(redirect.key, port);
    }
    return ports;
  }

  /**
   * Sends the policy's redirects unless they were the last sent, with the secrets that they name. `onAcknowledged` is called
   * when the proxy took them. The promise resolves then, and rejects when the proxy refused them.
   */
  publish(endpointId: number, endpointIp: string, policy: EndpointPolicy, onAcknowledged: () => void): Promise<void> {
    const wanted = { endpointIp, policy, secrets: secretNames(policy.redirects), onAcknowledged };
    const before = this.wanted.get(endpointId);
    this.wanted.set(endpointId, wanted);
    if (wanted.secrets.size > 0 || before?.secrets.size) this.followSecrets();
    return this.publishWanted(endpointId, wanted);
  }

  /** At once where no secret has to be asked for: what is published later must not be overtaken. */
  private publishWanted(endpointId: number, wanted: Wanted): Promise<void> {
    if (this.wanted.get(endpointId) !== wanted) return Promise.resolve();
    const secrets = this.secrets.valuesOf(wanted.secrets);
    if (secrets !== undefined) return this.send(endpointId, wanted, secrets);
    return this.secrets.settled(wanted.secrets).then(() => this.publishWanted(endpointId, wanted));
  }

  private followSecrets(): void {
    this.secrets.follow(new Set([...this.wanted.values()].flatMap(({ secrets }) => [...secrets])));
  }

  private send(endpointId: number, wanted: Wanted, secrets: NetworkPolicy["secrets"]): Promise<void> {
    const { endpointIp, policy, onAcknowledged } = wanted;
    const content = contentOf(policy, secrets);
    const state = this.endpoints.get(endpointId);
    if (state?.latest.content === content) return state.latest.acknowledged;
    if (state === undefined && policy.redirects.length === 0) return Promise.resolve();
    const { revision, redirects } = policy;
    const publication: Publication = {
      content,
      redirects: new Map(redirects.map((redirect) => [redirect.key, redirect])),
      acknowledged: Promise.resolve(),
    };
    const possible = [...(state?.possible ?? []), publication];
    this.endpoints.set(endpointId, { ports: state?.ports ?? new Map(), possible, latest: publication });
    publication.acknowledged = this.discovery.publish({ endpointId, endpointIp, revision, redirects, secrets }).then(
      (ports) => {
        if (this.accept(endpointId, publication, ports)) onAcknowledged();
      },
      (error: unknown) => {
        this.refuse(endpointId, publication);
        throw error;
      },
    );
    return publication.acknowledged;
  }

  /** Every redirect that the proxy listens for, named as Cilium names them. */
  active(): readonly ProxyRedirect[] {
    return [...this.endpoints].flatMap(([endpointId, { ports, latest }]) =>
      [...latest.redirects.values()].flatMap(({ key, direction, protocol, port, parser, listener }) => {
        const proxyPort = ports.get(key);
        if (proxyPort === undefined) return [];
        const name = [endpointId, direction, protocolName(protocol), port, listener ?? ""].join(":");
        return [{ name, proxy: parser, "proxy-port": proxyPort }];
      }),
    );
  }

  /** The proxy listens on other ports than it acknowledged. */
  setPorts(endpointId: number, ports: ReadonlyMap<string, number>): void {
    const state = this.endpoints.get(endpointId);
    if (state !== undefined) state.ports = ports;
  }

  remove(endpointId: number): void {
    const before = this.wanted.get(endpointId);
    this.wanted.delete(endpointId);
    if (before?.secrets.size) this.followSecrets();
    if (this.endpoints.delete(endpointId)) this.discovery.remove(endpointId);
  }

  private isSafe(state: EndpointRedirects, wanted: L7Redirect): boolean {
    return state.possible.every((publication) => {
      const redirect = publication.redirects.get(wanted.key);
      return redirect === undefined || isNoWider(redirect, wanted, this.isKnown);
    });
  }

  private accept(endpointId: number, publication: Publication, ports: ReadonlyMap<string, number>): boolean {
    const state = this.endpoints.get(endpointId);
    const index = state?.possible.indexOf(publication) ?? -1;
    if (state === undefined || index < 0) return false;
    state.possible = state.possible.slice(index);
    state.ports = ports;
    return true;
  }

  private refuse(endpointId: number, publication: Publication): void {
    const state = this.endpoints.get(endpointId);
    if (state !== undefined) state.possible = state.possible.filter((candidate) => candidate !== publication);
  }
}
