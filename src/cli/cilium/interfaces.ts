import { execFileSync } from "node:child_process";

const REFRESH_MS = 1000;

function readInterfaces(): Map<number, string> {
  try {
    const text = execFileSync("ip", ["-o", "link"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return new Map([...text.matchAll(/^(\d+): ([^:@\s]+)/gm)].map(([, index, name]) => [Number(index), name ?? ""]));
  } catch {
    // without iproute2 the numbers must do
    return new Map();
  }
}

/** Names of the interfaces of this network namespace by index, read again at most once a second for an unknown one. */
export function createInterfaceNames(now: () => number): (ifindex: number) => string {
  let names = new Map<number, string>();
  let readAt = Number.NEGATIVE_INFINITY;
  return (ifindex) => {
    if (ifindex !== 0 && !names.has(ifindex) && now() - readAt > REFRESH_MS) {
      names = readInterfaces();
      readAt = now();
    }
    return names.get(ifindex) ?? String(ifindex);
  };
}
