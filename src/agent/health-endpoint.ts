import type { IpamResponse } from "./api.ts";
import { HEALTH_OWNER } from "./endpoint.ts";
import type { EndpointLifecycle } from "./endpoint-lifecycle.ts";
import type { Ipam } from "./ipam.ts";
import type { HealthLink, OpenHealthLink } from "./ports.ts";
import type { Retry } from "./retry.ts";

/** The endpoint's name among containers, and its controller's, as Cilium has them. */
export const HEALTH_ENDPOINT = "cilium-health-ep";

/** How often it is looked whether the endpoint still stands, in ms; Cilium's controller has the same interval. */
const LOOK_INTERVAL = 60_000;

export interface HealthEndpointParts {
  readonly ipam: Pick<Ipam, "allocateOnce">;
  readonly lifecycle: Pick<EndpointLifecycle, "put" | "remove">;
  readonly retry: Pick<Retry, "run">;
  readonly interfaces: () => ReadonlySet<string>;
  readonly mtu: number;
  readonly open: OpenHealthLink;
}

/**
 * The node's health endpoint: an endpoint with the labels `reserved:health` in a network namespace of its own, where the agent
 * itself answers. The namespace ends with the agent, so that a dead agent's node is seen to be ill; the next agent makes
 * another one at the same address.
 */
export class HealthEndpoint {
  private readonly addressing: IpamResponse;
  private readonly parts: HealthEndpointParts;
  private link: HealthLink | undefined;
  private standing: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(parts: HealthEndpointParts) {
    this.parts = parts;
    this.addressing = { ...parts.ipam.allocateOnce(HEALTH_OWNER), mtu: parts.mtu };
  }

  /** What other nodes may be told: undefined until it answers, or they would ask in vain. */
  get told(): IpamResponse | undefined {
    return this.link && this.addressing;
  }

  /** Called whenever the endpoint has been made. */
  onStanding(listener: () => void): void {
    this.standing = listener;
  }

  /** Makes the endpoint, and again when its interface is gone. Does not wait: failures are retried, and told as the controller's. */
  start(): void {
    const run = () => this.parts.retry.run(HEALTH_ENDPOINT, () => this.ensure());
    run();
    this.timer = setInterval(run, LOOK_INTERVAL);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.link?.close();
    this.link = undefined;
  }

  private async ensure(): Promise<void> {
    if (this.link !== undefined && this.parts.interfaces().has(this.link.interfaceName)) return;
    const { lifecycle } = this.parts;
    // One that an agent before left, or that somebody has taken the interface from.
    await lifecycle.remove(HEALTH_ENDPOINT);
    this.link?.close();
    this.link = undefined;
    const link = await this.parts.open(this.addressing);
    const { interfaceName, ifindex, mac, hostMac } = link;
    const { address, ipv6 } = this.addressing;
    try {
      await lifecycle.put({
        containerId: HEALTH_ENDPOINT,
        podNamespace: "",
        podName: "",
        podUid: "",
        address,
        ...(ipv6 === undefined ? {} : { address6: ipv6.address }),
        ...{ interfaceName, ifindex, mac, hostMac },
      });
      this.link = link;
      this.standing();
    } catch (error) {
      link.close();
      throw error;
    }
  }
}
