/** An address as a number; the version says how many bits it has. */
interface Address {
  readonly version: 4 | 6;
  readonly value: bigint;
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseGroups(text: string): bigint[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const last = groups.at(-1) ?? "";
  const words = groups.slice(0, -1);
  const tail: bigint[] = [];
  if (last.includes(".")) {
    const v4 = parseIpv4(last);
    if (v4 === undefined) return undefined;
    tail.push(v4 >> 16n, v4 & 0xffffn);
  } else {
    words.push(last);
  }
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  return [...words.map((word) => BigInt(`0x${word}`)), ...tail];
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "");
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "") : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...new Array<bigint>(missing).fill(0n), ...tail].reduce((value, word) => (value << 16n) | word, 0n);
}

/** Reads an IPv4 or IPv6 address; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const version = text.includes(":") ? 6 : 4;
  const value = version === 6 ? parseIpv6(text) : parseIpv4(text);
  return value === undefined ? undefined : { version, value };
}

/** A test whether an address lies within `address/length`; undefined when the prefix is malformed. */
export function parsePrefix(text: string): ((address: string) => boolean) | undefined {
  const slash = text.lastIndexOf("/");
  const base = parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (!base || !/^\d{1,3}$/.test(length)) return undefined;
  const bits = base.version === 4 ? 32 : 128;
  if (Number(length) > bits) return undefined;
  const shift = BigInt(bits - Number(length));
  return (text) => {
    const address = parseAddress(text);
    return address?.version === base.version && address.value >> shift === base.value >> shift;
  };
}
