/** What an endpoint is told of with: its id on the node and its identity labels as text. */
interface EndpointFacts {
  readonly id: number;
  readonly labels: readonly string[];
}

/** The repository took a policy in or gave one up. */
interface PolicyUpdate {
  readonly labels: readonly string[];
  readonly revision: number;
  readonly rule_count: number;
}

/** Who has the addresses of a prefix, as the kernel knows it from now on. */
interface IpcacheChange {
  readonly cidr: string;
  readonly id: number;
  readonly "old-id"?: number;
  /** The node behind which it is; absent = here, or outside. */
  readonly "host-ip"?: string;
  readonly "old-host-ip"?: string;
  readonly "encrypt-key": number;
  readonly namespace?: string;
  readonly "pod-name"?: string;
}

/**
 * Something that the agent did: its kind by the name under which Cilium's monitor prints it, and the message with the keys that
 * the monitor's JSON has. (pkg/monitor/api of Cilium 1.20, where services are not told of any more.)
 */
export type AgentNotification =
  | { readonly type: "Cilium agent started"; readonly message: { readonly time: string } }
  | { readonly type: "Policy updated" | "Policy deleted"; readonly message: PolicyUpdate }
  | { readonly type: "Endpoint regenerated"; readonly message: EndpointFacts }
  | { readonly type: "Failed endpoint regeneration"; readonly message: EndpointFacts & { readonly error: string } }
  | {
      readonly type: "Endpoint created" | "Endpoint deleted";
      readonly message: EndpointFacts & { readonly "pod-name"?: string; readonly namespace?: string };
    }
  | { readonly type: "IPCache entry upserted" | "IPCache entry deleted"; readonly message: IpcacheChange };
