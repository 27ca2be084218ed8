/** Names of ICMP types and codes as packet dissectors print them. */
const V4_TYPES: Readonly<Record<number, string>> = {
  0: "EchoReply",
  3: "DestinationUnreachable",
  4: "SourceQuench",
  5: "Redirect",
  8: "EchoRequest",
  9: "RouterAdvertisement",
  10: "RouterSolicitation",
  11: "TimeExceeded",
  12: "ParameterProblem",
  13: "TimestampRequest",
  14: "TimestampReply",
  15: "InfoRequest",
  16: "InfoReply",
  17: "AddressMaskRequest",
  18: "AddressMaskReply",
};

const V4_CODES: Readonly<Record<number, readonly string[]>> = {
  3: [
    "Net",
    "Host",
    "Protocol",
    "Port",
    "FragmentationNeeded",
    "SourceRoutingFailed",
    "NetUnknown",
    "HostUnknown",
    "SourceIsolated",
    "NetAdminProhibited",
    "HostAdminProhibited",
    "NetTOS",
    "HostTOS",
    "CommAdminProhibited",
    "HostPrecedence",
    "PrecedenceCutoff",
  ],
  5: ["Net", "Host", "TOS+Net", "TOS+Host"],
  11: ["TTLExceeded", "FragmentReassemblyTimeExceeded"],
  12: ["PointerIndicatesError", "MissingOption", "BadLength"],
};

const V6_TYPES: Readonly<Record<number, string>> = {
  1: "DestinationUnreachable",
  2: "PacketTooBig",
  3: "TimeExceeded",
  4: "ParameterProblem",
  128: "EchoRequest",
  129: "EchoReply",
  133: "RouterSolicitation",
  134: "RouterAdvertisement",
  135: "NeighborSolicitation",
  136: "NeighborAdvertisement",
  137: "Redirect",
};

const V6_CODES: Readonly<Record<number, readonly string[]>> = {
  1: [
    "NoRouteToDst",
    "AdminProhibited",
    "BeyondScopeOfSrc",
    "AddressUnreachable",
    "PortUnreachable",
    "SrcAddressFailedPolicy",
    "RejectRouteToDst",
  ],
  3: ["HopLimitExceeded", "FragmentReassemblyTimeExceeded"],
  4: ["ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"],
};

function typeCode(types: typeof V4_TYPES, codes: typeof V4_CODES, type: number, code: number): string {
  const name = types[type];
  if (name === undefined) return `${type}(${code})`;
  const codeNames = codes[type];
  if (codeNames === undefined) return code === 0 ? name : `${name}(Code: ${code})`;
  return `${name}(${codeNames[code] ?? `Code: ${code}`})`;
}

/** `EchoRequest`, `DestinationUnreachable(Host)`; numbers `type(code)` for an unknown type. */
export function icmpv4Name(type: number, code: number): string {
  return typeCode(V4_TYPES, V4_CODES, type, code);
}

/** `NeighborSolicitation`, `TimeExceeded(HopLimitExceeded)`; numbers `type(code)` for an unknown type. */
export function icmpv6Name(type: number, code: number): string {
  return typeCode(V6_TYPES, V6_CODES, type, code);
}
