import type { IpcacheEntry } from "../datapath/port.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { RemoteEndpoints } from "./flow-view.ts";

type Change = Extract<AgentNotification, { type: "IPCache entry upserted" | "IPCache entry deleted" }>;

/** The pod behind the address of a prefix, here or on another node. */
function podAt(address: string, table: EndpointTable, remote: RemoteEndpoints): Partial<Change["message"]> {
  const own = table.atAddress(address)?.request;
  const namespace = own?.podNamespace ?? remote.at(address)?.namespace ?? "";
  const podName = own?.podName ?? remote.at(address)?.podName ?? "";
  return podName === "" ? {} : { namespace, "pod-name": podName };
}

/** What whoever watches the agent is told when the kernel's ipcache has changed: `entry` undefined = it is gone. */
export function ipcacheNotification(
  cidr: string,
  { entry, old }: { readonly entry: IpcacheEntry | undefined; readonly old: IpcacheEntry | undefined },
  { table, remote }: { readonly table: EndpointTable; readonly remote: RemoteEndpoints },
): Change {
  const [address = ""] = cidr.split("/");
  return {
    type: entry === undefined ? "IPCache entry deleted" : "IPCache entry upserted",
    message: {
      cidr,
      id: entry?.identity ?? old?.identity ?? 0,
      ...(old === undefined ? {} : { "old-id": old.identity }),
      ...(entry?.tunnel === undefined ? {} : { "host-ip": entry.tunnel }),
      ...(old?.tunnel === undefined ? {} : { "old-host-ip": old.tunnel }),
      "encrypt-key": 0,
      ...podAt(address, table, remote),
    },
  };
}
