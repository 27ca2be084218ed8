import {
  type AgentEvent,
  AgentEventType,
  type EndpointRegenNotification,
  type EndpointUpdateNotification,
  type IPCacheNotification,
  type ServiceUpsertNotification,
  type ServiceUpsertNotificationAddr,
} from "../../../proto/gen/flow_pb.js";
import { joinHostPort } from "./host.ts";
import { formatTime, type TimeFormat } from "./time.ts";

type Notification = AgentEvent["notification"];

/** The notification that an event of each type carries. */
const CARRIED: Readonly<Partial<Record<AgentEventType, Notification["case"]>>> = {
  [AgentEventType.AGENT_EVENT_UNKNOWN]: "unknown",
  [AgentEventType.AGENT_STARTED]: "agentStart",
  [AgentEventType.POLICY_UPDATED]: "policyUpdate",
  [AgentEventType.POLICY_DELETED]: "policyUpdate",
  [AgentEventType.ENDPOINT_REGENERATE_SUCCESS]: "endpointRegenerate",
  [AgentEventType.ENDPOINT_REGENERATE_FAILURE]: "endpointRegenerate",
  [AgentEventType.ENDPOINT_CREATED]: "endpointUpdate",
  [AgentEventType.ENDPOINT_DELETED]: "endpointUpdate",
  [AgentEventType.IPCACHE_UPSERTED]: "ipcacheUpdate",
  [AgentEventType.IPCACHE_DELETED]: "ipcacheUpdate",
  [AgentEventType.SERVICE_UPSERTED]: "serviceUpsert",
  [AgentEventType.SERVICE_DELETED]: "serviceDelete",
};

/** `, name: value` when there is a value. */
const optional = (name: string, value: string) => (value === "" ? "" : `, ${name}: ${value}`);

const regenerationText = ({ id, labels, error }: EndpointRegenNotification) =>
  `id: ${id}, labels: [${labels.join(",")}]${optional("error", error)}`;

const endpointText = ({ id, namespace, podName }: EndpointUpdateNotification) =>
  `id: ${id}${optional("namespace", namespace)}${optional("pod name", podName)}`;

function ipcacheText(update: IPCacheNotification): string {
  const old = update.oldIdentity === undefined ? "" : `, old identity: ${update.oldIdentity}`;
  const hosts = optional("host ip", update.hostIp) + optional("old host ip", update.oldHostIp);
  return `cidr: ${update.cidr}, identity: ${update.identity}${old}${hosts}, encrypt key: ${update.encryptKey}`;
}

function serviceText(service: ServiceUpsertNotification): string {
  const address = ({ ip, port }: ServiceUpsertNotificationAddr) => joinHostPort(ip, String(port));
  const backends = service.backendAddresses.map(address).join(",");
  return [
    `id: ${service.id}`,
    service.frontendAddress ? `, frontend: ${address(service.frontendAddress)}` : "",
    backends === "" ? "" : `, backends: [${backends}]`,
    optional("type", service.type),
    optional("traffic policy", service.trafficPolicy),
    optional("namespace", service.namespace),
    optional("name", service.name),
  ].join("");
}

/** What an agent's event says besides its type; `UNKNOWN` when it does not carry what its type promises. */
export function agentEventDetails({ type, notification }: AgentEvent, timeFormat: TimeFormat): string {
  if (notification.case !== CARRIED[type]) return "UNKNOWN";
  switch (notification.case) {
    case "unknown":
      return `type: ${notification.value.type}, notification: ${notification.value.notification}`;
    case "agentStart":
      return `start time: ${formatTime(notification.value.time, timeFormat)}`;
    case "policyUpdate": {
      const { labels, revision, ruleCount } = notification.value;
      return `labels: [${labels.join(",")}], revision: ${revision}, count: ${ruleCount}`;
    }
    case "endpointRegenerate":
      return regenerationText(notification.value);
    case "endpointUpdate":
      return endpointText(notification.value);
    case "ipcacheUpdate":
      return ipcacheText(notification.value);
    case "serviceUpsert":
      return serviceText(notification.value);
    case "serviceDelete":
      return `id: ${notification.value.id}`;
    case undefined:
      return "UNKNOWN";
  }
}
