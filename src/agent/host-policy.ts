import type { Datapath } from "../datapath/port.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { type Labels, toLabels } from "../model/label.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import { sameLabels } from "./identity-allocator.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { KubeObject } from "./kube.ts";
import type { PolicyEngine } from "./ports.ts";
import type { RuleCookies } from "./rule-cookies.ts";

export interface HostPolicyParts {
  readonly id: number;
  readonly engine: Pick<PolicyEngine, "resolve">;
  readonly datapath: Pick<Datapath, "setHostPolicy">;
  readonly identities: IdentityTable;
  readonly cookies: RuleCookies;
  /** This node's own object. */
  readonly node: () => KubeObject | undefined;
}

const NO_PROXY: ReadonlyMap<string, number> = new Map();

/** The host firewall: policies with a nodeSelector, for the node itself. */
export class HostPolicy {
  private readonly parts: HostPolicyParts;
  private labels: Labels = [];
  private written: { readonly policy: EndpointPolicy; readonly version: number } | undefined;

  constructor(parts: HostPolicyParts) {
    this.parts = parts;
  }

  /** In force in the kernel; undefined while none was set. */
  get policy(): EndpointPolicy | undefined {
    return this.written?.policy;
  }

  /** What the node is called in policies: its identity's labels and those of its Node. */
  get subject(): Labels {
    return this.labels;
  }

  /** Brings the kernel to what the policies say now. Throws when they contradict each other, or the kernel does not take it. */
  update(): void {
    const { id, engine, datapath, cookies } = this.parts;
    this.labels = this.labelsNow();
    const policy = engine.resolve(id, { identity: ReservedIdentity.Host, labels: this.labels, namedPorts: [] });
    if (this.written?.policy === policy && this.written.version === policy.version) return;
    const realized = {
      policy,
      proxyPorts: NO_PROXY,
      cookies: policy.origins.map((origins) => cookies.cookieOf(origins)),
    };
    datapath.setHostPolicy(id, realized);
    this.written = { policy, version: policy.version };
  }

  /** The same list while nothing changed: the engine knows a subject by it. */
  private labelsNow(): Labels {
    const own = this.parts.identities.labelsOf(ReservedIdentity.Host) ?? [];
    const ofNode = Object.entries(this.parts.node()?.metadata.labels ?? {});
    const labels = toLabels([...own, ...ofNode.map(([key, value]) => ({ source: "k8s", key, value }))]);
    return sameLabels(labels, this.labels) ? this.labels : labels;
  }
}
