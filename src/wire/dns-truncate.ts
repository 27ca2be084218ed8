import { skipName, wordAt } from "./dns-records.ts";

/**
 * The answer without its records and marked as cut off (RFC 1035, 4.1.1: TC), so that the client asks again over TCP;
 * undefined when it has no question that could stay.
 */
export function truncatedDns(answer: Uint8Array): Uint8Array | undefined {
  const nameEnd = answer.length >= 12 && wordAt(answer, 4) === 1 ? skipName(answer, 12) : undefined;
  if (nameEnd === undefined || nameEnd + 4 > answer.length) return undefined;
  const short = answer.slice(0, nameEnd + 4);
  short[2] = short[2]! | 0x02;
  short.fill(0, 6, 12);
  return short;
}
