import type { Endpoint, Flow, Service } from "../../../proto/gen/flow_pb.js";
import type { Palette } from "./color.ts";
import { identityText } from "./names.ts";

/** One end of a flow as the printers show it. */
export interface HostText {
  readonly host: string;
  readonly identity: string;
}

function portOf(flow: Flow, end: "source" | "destination"): string {
  const protocol = flow.l4?.protocol;
  if (protocol?.case !== "TCP" && protocol?.case !== "UDP" && protocol?.case !== "SCTP") return "";
  const port = end === "source" ? protocol.value.sourcePort : protocol.value.destinationPort;
  return port === 0 ? "" : String(port);
}

/** `namespace/name`, cleaned as Go's path.Join does: no slash without a namespace, none twice, no `.` and no `..`. */
function joinPath(namespace: string, name: string): string {
  const path = namespace === "" ? name : `${namespace}/${name}`;
  const rooted = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== ".." || (parts.length === 0 ? !rooted : parts.at(-1) === "..")) parts.push(part);
    else parts.pop();
  }
  return `${rooted ? "/" : ""}${parts.join("/")}` || ".";
}

function nameOf(
  end: { address: string; endpoint?: Endpoint; service?: Service; names: readonly string[] },
  numeric: boolean,
): string {
  if (numeric) return end.address;
  // a service's namespace stands for the pod's, even when it is empty
  const namespace = end.service ? end.service.namespace : (end.endpoint?.namespace ?? "");
  const qualified = (name: string) => joinPath(namespace, name);
  if (end.endpoint?.podName) return qualified(end.endpoint.podName);
  if (end.service?.name) return qualified(end.service.name);
  return end.names.length > 0 ? end.names.join(",") : end.address;
}

/** `host:port`, the host in brackets when it holds a colon, as Go's net.JoinHostPort. */
export function joinHostPort(host: string, port: string): string {
  return `${/[:%]/.test(host) ? `[${host}]` : host}:${port}`;
}

function join(host: string, port: string, palette: Palette): string {
  return palette.host(port === "" ? host : joinHostPort(host, palette.port(port)));
}

/** Both ends; addresses only when `numeric`. Without an IP layer the Ethernet addresses stand there. */
export function hostTexts(
  flow: Flow,
  options: { readonly numeric: boolean; readonly palette: Palette },
): { readonly source: HostText; readonly destination: HostText } {
  const { numeric, palette } = options;
  const text = (end: "source" | "destination"): HostText => {
    const endpoint = flow[end];
    const service = end === "source" ? flow.sourceService : flow.destinationService;
    const names = end === "source" ? flow.sourceNames : flow.destinationNames;
    const identity = palette.identity(identityText(endpoint?.identity ?? 0));
    if (!flow.IP) return { host: flow.ethernet ? palette.host(flow.ethernet[end]) : "", identity };
    const name = nameOf(
      { address: flow.IP[end], names, ...(endpoint && { endpoint }), ...(service && { service }) },
      numeric,
    );
    return { host: join(name, portOf(flow, end), palette), identity };
  };
  return { source: text("source"), destination: text("destination") };
}
