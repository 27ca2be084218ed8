import type { Datapath } from "../datapath/port.ts";
import type { FlowContext } from "../flow/context.ts";
import type { Redaction } from "../flow/redaction.ts";
import type { Registry } from "../metrics/index.ts";
import type { Log } from "../model/log.ts";
import type { FqdnLimits } from "../policy/fqdn/fqdn-cache.ts";
import type { KubeClient } from "./kube.ts";
import type { OpenInformer } from "./kube-inputs.ts";
import type { AgentNode, FlowSink, OpenHealthLink, PolicyEngine, ProxyChannel } from "./ports.ts";

import type { HubbleObserver } from "./status-model.ts";

/** Everything that an agent is given; it finds nothing by itself. */
export interface AgentOptions {
  readonly node: AgentNode;
  readonly version: string;
  readonly client: KubeClient;
  readonly openInformer: OpenInformer;
  readonly datapath: Datapath;
  readonly engine: PolicyEngine;
  readonly proxy: ProxyChannel;
  /** Makes the flow pipeline over what the agent knows. */
  readonly openFlows: (context: FlowContext) => FlowSink;
  /** Makes the node's health endpoint; absent = there is none. */
  readonly openHealthLink?: OpenHealthLink;
  /** `GET /version` of the API server; rejects while it does not answer. */
  readonly kubernetesVersion: () => Promise<unknown>;
  /** Where the agent counts and shows what it knows; absent = nobody reads it. */
  readonly metrics?: Registry;
  /** How full the flow ring is. */
  readonly observer?: () => HubbleObserver;
  /** What flows and monitors must not tell, as of now; absent = no secret. */
  readonly redaction?: () => Redaction;
  /** What the names that pods ask for may cost, as of now; absent = the defaults. */
  readonly nameLimits?: () => FqdnLimits;
  /** Why the flows' history on disk stands still; undefined = it does not. */
  readonly historyFailure?: () => string | undefined;
  /** Files of endpoints and addresses that outlive the agent. */
  readonly stateDirectory: string;
  /** Path of `cilium.sock`. */
  readonly socketPath: string;
  /** Where `cilium-dbg monitor` of upstream reads events. */
  readonly monitorSocketPath: string;
  /** Path of the proxy's `admin.sock`. */
  readonly adminSocketPath: string;
  /** Names of the network interfaces of this node's namespace. */
  readonly interfaces: () => ReadonlySet<string>;
  /** Name of an interface by its index, empty when it is gone. */
  readonly interfaceName: (ifindex: number) => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}
