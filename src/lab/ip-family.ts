import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { commandFor, type LabPaths } from "./paths.ts";

/** The address families of a lab's nodes, pods and services; kind's words. A lab has IPv4 in any case. */
export type IpFamily = "ipv4" | "dual";

const FAMILIES: readonly string[] = ["ipv4", "dual"];
const DEFAULT: IpFamily = "ipv4";

/** Reads what `--ip-family` says. Throws with what to do instead. */
export function parseIpFamily(text: string): IpFamily {
  if (FAMILIES.includes(text)) return text as IpFamily;
  if (text === "ipv6") {
    throw new Error("a lab of IPv6 alone is not supported: use dual, and give services ipFamilies: [IPv6]");
  }
  throw new Error(`${JSON.stringify(text)} is no family of addresses: use ${FAMILIES.join(" or ")}`);
}

/** The family of a lab that exists, running or stopped; undefined when there is none. */
export function readIpFamily(paths: LabPaths): IpFamily | undefined {
  if (existsSync(paths.settings)) {
    const { ipFamily } = JSON.parse(readFileSync(paths.settings, "utf8")) as { ipFamily: string };
    return parseIpFamily(ipFamily);
  }
  // made before there was a choice
  return existsSync(paths.state) ? DEFAULT : undefined;
}

/** Keeps the family of a lab for as long as it exists. */
export function writeIpFamily(paths: LabPaths, ipFamily: IpFamily): void {
  writeFileSync(paths.settings, `${JSON.stringify({ ipFamily })}\n`);
}

/**
 * The family with which a lab comes up: its own one, or `wanted`, or IPv4 for a new lab. Throws when the lab exists with
 * another one: its objects and addresses are of that.
 */
export function chooseIpFamily(paths: LabPaths, wanted: IpFamily | undefined): IpFamily {
  const own = readIpFamily(paths);
  if (own === undefined || wanted === undefined || wanted === own) return own ?? wanted ?? DEFAULT;
  const command = commandFor(paths.lab);
  throw new Error(
    `lab ${paths.lab} exists with --ip-family ${own}, which cannot be changed: \`${command} down\` deletes it and its objects, then \`${command} up --ip-family ${wanted}\` makes it anew`,
  );
}
