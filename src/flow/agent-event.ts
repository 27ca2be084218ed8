import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AgentEvent, AgentEventSchema, AgentEventType } from "../../proto/gen/flow_pb.js";
import type { AgentNotification } from "../model/agent-notification.ts";

type EventInit = MessageInitShape<typeof AgentEventSchema>;

const TYPES: Readonly<Record<AgentNotification["type"], AgentEventType>> = {
  "Cilium agent started": AgentEventType.AGENT_STARTED,
  "Policy updated": AgentEventType.POLICY_UPDATED,
  "Policy deleted": AgentEventType.POLICY_DELETED,
  "Endpoint regenerated": AgentEventType.ENDPOINT_REGENERATE_SUCCESS,
  "Failed endpoint regeneration": AgentEventType.ENDPOINT_REGENERATE_FAILURE,
  "Endpoint created": AgentEventType.ENDPOINT_CREATED,
  "Endpoint deleted": AgentEventType.ENDPOINT_DELETED,
  "IPCache entry upserted": AgentEventType.IPCACHE_UPSERTED,
  "IPCache entry deleted": AgentEventType.IPCACHE_DELETED,
};

function notificationOf({ type, message }: AgentNotification): EventInit["notification"] {
  switch (type) {
    case "Cilium agent started":
      return { case: "agentStart", value: { time: timestampFromMs(Date.parse(message.time)) } };
    case "Policy updated":
    case "Policy deleted": {
      const { labels, revision, rule_count: rules } = message;
      const value = { labels: [...labels], revision: BigInt(revision), ruleCount: BigInt(rules) };
      return { case: "policyUpdate", value };
    }
    case "Endpoint regenerated":
      return { case: "endpointRegenerate", value: { id: BigInt(message.id), labels: [...message.labels] } };
    case "Failed endpoint regeneration": {
      const { id, labels, error } = message;
      return { case: "endpointRegenerate", value: { id: BigInt(id), labels: [...labels], error } };
    }
    case "Endpoint created":
    case "Endpoint deleted": {
      const { id, labels, namespace = "", "pod-name": podName = "" } = message;
      return { case: "endpointUpdate", value: { id: BigInt(id), labels: [...labels], namespace, podName } };
    }
    case "IPCache entry upserted":
    case "IPCache entry deleted":
      return { case: "ipcacheUpdate", value: ipcacheValue(message) };
  }
}

function ipcacheValue(message: Extract<AgentNotification, { message: { cidr: string } }>["message"]) {
  const { cidr, id: identity, "old-id": oldIdentity, "encrypt-key": encryptKey } = message;
  const { namespace = "", "pod-name": podName = "", "host-ip": hostIp = "", "old-host-ip": oldHostIp = "" } = message;
  const old = oldIdentity === undefined ? {} : { oldIdentity };
  return { cidr, identity, ...old, hostIp, oldHostIp, encryptKey, namespace, podName };
}

/** The message that GetAgentEvents answers with. (pkg/hubble/parser/agent of Cilium 1.20.) */
export function toAgentEvent(notification: AgentNotification): AgentEvent {
  return create(AgentEventSchema, { type: TYPES[notification.type], notification: notificationOf(notification)! });
}
