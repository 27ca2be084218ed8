const NS_PER_MS = 1_000_000n;
let latestNs = 0n;

/**
 * A name for an event about an object, as Kubernetes makes them: the time in hexadecimal nanoseconds, so that events of one
 * second stay in their order. `nowMs`: milliseconds since the epoch. The nanoseconds within a millisecond are a matter of
 * chance: two processes tell of one pod in the same millisecond, and the second must not be refused for its name.
 */
export function eventName(objectName: string, nowMs: number): string {
  const nowNs = BigInt(Math.floor(nowMs)) * NS_PER_MS + (process.hrtime.bigint() % NS_PER_MS);
  latestNs = latestNs < nowNs ? nowNs : latestNs + 1n;
  return `${objectName}.${latestNs.toString(16)}`;
}
