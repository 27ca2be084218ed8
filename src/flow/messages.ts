import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  EndpointSchema,
  EthernetSchema,
  FlowSchema,
  ICMPv4Schema,
  ICMPv6Schema,
  IPSchema,
  Layer4Schema,
  NetworkInterfaceSchema,
  TCPFlagsSchema,
  TCPSchema,
  UDPSchema,
} from "../../proto/gen/flow_pb.js";

/**
 * Makes messages by copying an empty one: the general `create` walks the descriptors each time, which costs more than all
 * else that is done for a flow. Lists that are not given are shared and frozen.
 */
function maker<D extends DescMessage>(schema: D): (init: Partial<MessageShape<D>>) => MessageShape<D> {
  const empty = create(schema) as MessageShape<D>;
  for (const value of Object.values(empty)) if (Array.isArray(value)) Object.freeze(value);
  return (init) => ({ ...empty, ...init });
}

export const newTimestamp = maker(TimestampSchema);
export const newFlow = maker(FlowSchema);
export const newEndpoint = maker(EndpointSchema);
export const newEthernet = maker(EthernetSchema);
export const newIp = maker(IPSchema);
export const newLayer4 = maker(Layer4Schema);
export const newTcp = maker(TCPSchema);
export const newTcpFlags = maker(TCPFlagsSchema);
export const newUdp = maker(UDPSchema);
export const newIcmpv4 = maker(ICMPv4Schema);
export const newIcmpv6 = maker(ICMPv6Schema);
export const newInterface = maker(NetworkInterfaceSchema);
