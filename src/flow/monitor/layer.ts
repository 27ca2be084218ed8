/** One layer of a packet, in the form that gopacket's LayerString gives it, which `cilium monitor` prints. */
export interface Layer {
  readonly name: LayerName;
  /** What stands in braces: `Field=value`, in the order of gopacket's struct. */
  readonly fields: readonly Field[];
  readonly contents: Uint8Array;
  readonly payload: Uint8Array;
  /** What the payload is; undefined = nothing that is dissected here. */
  readonly next?: LayerName | undefined;
  /** Source and destination where the layer has them: addresses, or the numbers of ports. */
  readonly ends?: readonly [string, string];
  /** What the connection's text says of the layer. */
  readonly says?: string;
}

export type LayerName = "Ethernet" | "IPv4" | "IPv6" | "ICMPv4" | "ICMPv6" | "TCP" | "UDP" | "SCTP" | "VRRP" | "IGMP";
export type Field = readonly [string, string | number | boolean];

/** A layer that cannot be read; the message is gopacket's, for it is printed. */
export class LayerFault extends Error {
  readonly isTruncated: boolean;
  constructor(message: string, isTruncated = false) {
    super(message);
    this.isTruncated = isTruncated;
  }
}

/** Reads the layer at the start of `data`; `truncated` is told when it says that it is longer than what is there. */
export type LayerDecoder = (data: Uint8Array, truncated: () => void) => Layer;

/** `[1, 2]`, and only the number of things where there are more than four. */
export function listText(values: ArrayLike<number | string>): string {
  return values.length > 4 ? `[..${values.length}..]` : `[${Array.from(values).join(", ")}]`;
}

export const fieldsText = (fields: readonly Field[]): string => `{${fields.map((field) => field.join("=")).join(" ")}}`;

/** `{Contents=[..8..] Payload=[] SrcPort=…}` */
export function layerFields({ contents, payload, fields }: Layer): string {
  return fieldsText([["Contents", listText(contents)], ["Payload", listText(payload)], ...fields]);
}

export const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);
