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
  type NetworkInterface,
  NetworkInterfaceSchema,
  type TCPFlags,
  TCPFlagsSchema,
  TCPSchema,
  UDPSchema,
} from "../../proto/gen/flow_pb.js";
import type { TcpFlag } from "./decode/packet.ts";

/**
 * Makes messages that have the fields given as their own and all others from one empty message behind them: the general
 * `create` walks the descriptors each time, and a copy of all fields is a table to look them up in; either costs more than
 * all else that is done for a flow. Lists that are not given are shared and frozen. To readers of fields, the library among them,
 * they are messages like others; a copy by spreading would have the given fields alone.
 */
function maker<D extends DescMessage>(schema: D): (init: Partial<MessageShape<D>>) => MessageShape<D> {
  const empty = create(schema) as MessageShape<D>;
  for (const [name, value] of Object.entries(empty)) {
    if (Array.isArray(value)) Object.freeze(value);
    Object.defineProperty(empty, name, { enumerable: false });
  }
  return (init) => Object.assign(Object.create(empty), init);
}

/** A copy that differs in the given fields. Of messages that are not shared: a shared one's bytes would go with it. */
export function variantOf<T extends object>(message: T, init: object): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)), message, init);
}

/** Where a message that many flows share keeps its bytes; null = it was not encoded yet. */
export const ENCODED = Symbol("encoded");

/** Most messages of a kind that are kept to be shared. */
const MOST_SHARED = 4096;

/**
 * Shares messages: `of(key, isSame, make)` gives the last one of the key when it is the same, and a new one otherwise. A flow that
 * shares its parts costs less memory, and less time to encode. Nobody may change them.
 */
export class SharedMessages<T extends object> {
  private readonly last = new Map<string, T>();

  of(key: string, isSame: (known: T) => boolean, make: () => T): T {
    const known = this.last.get(key);
    if (known !== undefined && isSame(known)) return known;
    if (this.last.size >= MOST_SHARED) this.last.clear();
    const made = Object.assign(make(), { [ENCODED]: null });
    this.last.set(key, made);
    return made;
  }
}

export const newTimestamp = maker(TimestampSchema);
export const newFlow = maker(FlowSchema);
export const newEndpoint = maker(EndpointSchema);
export const newEthernet = maker(EthernetSchema);
export const newIp = maker(IPSchema);
export const newLayer4 = maker(Layer4Schema);
export const newTcp = maker(TCPSchema);
const newTcpFlags = maker(TCPFlagsSchema);
export const newUdp = maker(UDPSchema);
export const newIcmpv4 = maker(ICMPv4Schema);
export const newIcmpv6 = maker(ICMPv6Schema);
const newInterface = maker(NetworkInterfaceSchema);

/** The same message for every flow with the same flags: lists of flags are one for each value. */
const flagMessages = new WeakMap<readonly TcpFlag[], TCPFlags>();

export function tcpFlagsOf(flags: readonly TcpFlag[]): TCPFlags {
  const known = flagMessages.get(flags);
  if (known !== undefined) return known;
  const made = newTcpFlags(Object.fromEntries(flags.map((flag) => [flag, true])));
  flagMessages.set(flags, made);
  return made;
}

/** The last message of each interface; its name may change. */
const interfaces = new Map<number, NetworkInterface>();

export function interfaceOf(index: number, name: string): NetworkInterface {
  const known = interfaces.get(index);
  if (known?.name === name) return known;
  const made = newInterface({ index, name });
  interfaces.set(index, made);
  return made;
}
