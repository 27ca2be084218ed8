import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { type LabNode, labNode, NODE_NAMES } from "../model/addresses.ts";
import { commandFor, type LabPaths } from "./paths.ts";

/** The address families of a lab's nodes, pods and services; kind's words. A lab has IPv4 in any case. */
export type IpFamily = "ipv4" | "dual";
/** How packets reach other nodes' pods; Cilium's words. */
export type RoutingMode = "tunnel" | "native";

/** What a lab is made with. */
export interface LabSettings {
  readonly ipFamily: IpFamily;
  readonly routingMode: RoutingMode;
  readonly nodes: readonly LabNode[];
  /** TCP ports of the machine's loopback that the lab may reach. */
  readonly hostPorts: readonly number[];
  /** Nodes that are being removed: their places are taken until nothing of them is left. */
  readonly leaving?: readonly LabNode[];
}

/** What the command line asks for; the rest is the lab's own, or the default of a new one. */
export type WantedSettings = Partial<Pick<LabSettings, "ipFamily" | "routingMode" | "hostPorts">>;

/** What stays from `up` to `down`: the objects and addresses of a lab follow from it. */
const FIXED = {
  ipFamily: { option: "--ip-family", values: ["ipv4", "dual"] },
  routingMode: { option: "--routing-mode", values: ["tunnel", "native"] },
} as const;

/** The settings file. Nodes are names at their places; a place that no node has is empty. */
interface Stored {
  readonly ipFamily?: string;
  readonly routingMode?: string;
  readonly nodes?: readonly string[];
  readonly hostPorts?: readonly number[];
  readonly leaving?: readonly string[];
}

/** A new lab's, when nothing is said. */
export const DEFAULTS: LabSettings = {
  ipFamily: "ipv4",
  routingMode: "tunnel",
  nodes: NODE_NAMES.map(labNode),
  hostPorts: [],
};

/** Reads what `--ip-family` says. Throws with what to do instead. */
export function parseIpFamily(text: string): IpFamily {
  if (text === "ipv6") {
    throw new Error("a lab of IPv6 alone is not supported: use dual, and give services ipFamilies: [IPv6]");
  }
  return oneOf(FIXED.ipFamily.values, text, "no family of addresses");
}

/** Reads what `--routing-mode` says. Throws with what to do instead. */
export function parseRoutingMode(text: string): RoutingMode {
  return oneOf(FIXED.routingMode.values, text, "no way to route");
}

/** The world's own server listens there. */
const WORLD_PORT = 80;

/** Adds what one `--allow-host-port` says. Throws with what to do instead. */
export function parseHostPort(text: string, earlier: readonly number[] = []): readonly number[] {
  if (/^\d+\/udp$/i.test(text)) throw new Error(`${text}: only TCP leads out of a lab`);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Error(`${JSON.stringify(text)} is no port: write one of 1 to 65535`);
  if (port === WORLD_PORT)
    throw new Error("port 80 is the lab's own world: let the machine's server listen at another one");
  return [...new Set([...earlier, port])];
}

function oneOf<T extends string>(values: readonly T[], text: string, what: string): T {
  const found = values.find((value) => value === text);
  if (found === undefined) throw new Error(`${JSON.stringify(text)} is ${what}: use ${values.join(" or ")}`);
  return found;
}

/** The settings of a lab that exists, running or stopped; undefined when there is none. Throws on a file that is damaged. */
export function readSettings(paths: LabPaths): LabSettings | undefined {
  // a lab may be made before there was a choice
  if (!existsSync(paths.settings)) return existsSync(paths.state) ? DEFAULTS : undefined;
  const stored = JSON.parse(readFileSync(paths.settings, "utf8")) as Stored;
  return {
    ipFamily: parseIpFamily(stored.ipFamily ?? DEFAULTS.ipFamily),
    routingMode: parseRoutingMode(stored.routingMode ?? DEFAULTS.routingMode),
    nodes: nodesAt(stored.nodes ?? NODE_NAMES),
    hostPorts: stored.hostPorts ?? [],
    ...(stored.leaving ? { leaving: nodesAt(stored.leaving) } : {}),
  };
}

function nodesAt(names: readonly string[]): LabNode[] {
  return names.flatMap((name, place) => (name === "" ? [] : [labNode(name, place)]));
}

function namesOf(nodes: readonly LabNode[]): string[] {
  const names: string[] = [];
  for (const { name, place } of nodes) names[place] = name;
  return Array.from(names, (name) => name ?? "");
}

/** Keeps the settings of a lab for as long as it exists. A reader sees the old ones or the new ones. */
export function writeSettings(
  paths: LabPaths,
  { ipFamily, routingMode, nodes, hostPorts, leaving = [] }: LabSettings,
): void {
  const stored: Stored = {
    ...{ ipFamily, routingMode, nodes: namesOf(nodes), hostPorts },
    ...(leaving.length > 0 ? { leaving: namesOf(leaving) } : {}),
  };
  writeFileSync(`${paths.settings}.new`, `${JSON.stringify(stored)}\n`);
  renameSync(`${paths.settings}.new`, paths.settings);
}

/**
 * The settings with which a lab comes up: its own, or what is wanted of a new one. Throws when the lab exists with others
 * that cannot change.
 */
export function chooseSettings(paths: LabPaths, wanted: WantedSettings): LabSettings {
  const own = readSettings(paths);
  for (const [name, { option }] of Object.entries(FIXED) as ["ipFamily" | "routingMode", { option: string }][]) {
    const asked = wanted[name];
    if (own === undefined || asked === undefined || asked === own[name]) continue;
    const command = commandFor(paths.lab);
    throw new Error(
      `lab ${paths.lab} exists with ${option} ${own[name]}, which cannot be changed: \`${command} down\` deletes it and its objects, then \`${command} up ${option} ${asked}\` makes it anew`,
    );
  }
  const { hostPorts = own?.hostPorts ?? [] } = wanted;
  return own === undefined ? { ...DEFAULTS, ...wanted } : { ...own, hostPorts };
}
