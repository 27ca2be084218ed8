/** Where proxies are measured: two pods of one node of the real datapath, and on each service port another proxy behind the redirect. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROXY_MARK_INGRESS } from "../src/model/proxy-mark.ts";
import { createPolicyDiscovery, type PolicyDiscovery } from "../src/proxy/xds-server.ts";
import { ALLOW_ALL, entry, type Lab, openLab, type Pod, policy, sleep } from "../test/kernel/datapath-lab.ts";
import { ROOT } from "../test/support/lab.ts";
import { buildMarker, RIVALS, type Rival } from "./l7-rivals.ts";
import { CLIENT_CPU, goFirst, type Place } from "./namespaces.ts";
import { ended, startPinned, startProxy } from "./proxy-process.ts";

const TCP = 6;
const CLIENT_IDENTITY = 1001;
const SERVER_IDENTITY = 1002;
const DIRECT_PORT = 7000;
/** HTTP/2 of the server is this far from HTTP/1. */
const HTTP2 = 100;
const RIVAL_LISTEN_PORT = 15_100;
const SMALL_ANSWER = "Ship landed";
const BIG_BYTES = 1024 * 1024;
const MOST_FILES = 65_536;

/** One way to the server: directly or through a proxy. */
export interface Way {
  readonly name: string;
  readonly port: number;
  /** The proxy's process; absent = direct. */
  readonly pid?: number;
}

/** What the proxies are to do at a time. */
export interface Job {
  readonly rules: number;
  readonly http2: boolean;
}

export interface L7World {
  readonly client: Place;
  readonly address: string;
  /** Proxies that cannot be measured, and why. */
  readonly skipped: ReadonlyMap<string, string>;
  /** Access records that came from our proxy so far, and those it gave up. */
  readonly records: { taken: number; lost: number };
  /** Puts every proxy to a job; the ways to the server, direct first, ours second. */
  begin(job: Job): Promise<readonly Way[]>;
  close(): Promise<void>;
}

/** The path that the last of so many rules allows, and no other. */
export const lastPath = (rules: number) => `/v${rules}`;
const pathsOf = (rules: number) => Array.from({ length: rules }, (_, index) => `/v${index + 1}/.*`);

const servicePort = (place: number, http2: boolean) => DIRECT_PORT + 1 + place + (http2 ? HTTP2 : 0);
const keyOf = (port: number) => `ingress:TCP:${port}`;

function serverConfig(directory: string): string {
  const ports = [DIRECT_PORT, ...["ours", ...RIVALS].map((_, place) => servicePort(place, false))];
  const listen = ports.map((port) => `listen ${port}; listen ${port + HTTP2} http2;`).join(" ");
  return `daemon off; master_process off; pid ${directory}/server.pid; error_log stderr crit; user root;
events { worker_connections ${MOST_FILES}; }
http {
  access_log off; sendfile on; default_type text/plain; keepalive_requests 1000000000; keepalive_timeout 1h;
  server {
    ${listen}
    location / { return 200 "${SMALL_ANSWER}\\n"; }
    location ~ ^/v[0-9]+/big$ { root ${directory}; try_files /big =404; }
  }
}
`;
}

/** The promise's value; rejects when the process ends before it is there. */
function orEnd<T>(child: ChildProcess, value: Promise<T>): Promise<T> {
  const end = new Promise<never>((_, reject) =>
    child.once("exit", (code) => reject(new Error(`${child.spawnargs.join(" ")}: exit ${code}`))),
  );
  return Promise.race([value, end]);
}

class World implements L7World {
  readonly client: Place;
  readonly address: string;
  readonly skipped = new Map<string, string>();
  readonly records = { taken: 0, lost: 0 };
  private readonly lab: Lab;
  private readonly clientAddress: string;
  private readonly server: Pod;
  private readonly directory: string;
  private readonly marker: string;
  private readonly children: ChildProcess[] = [];
  private rivals: ChildProcess[] = [];
  private discovery: PolicyDiscovery | undefined;
  private proxy: ChildProcess | undefined;

  constructor(lab: Lab, client: Pod, server: Pod) {
    this.lab = lab;
    this.server = server;
    this.client = `/run/netns/${client.netns}`;
    this.clientAddress = client.address;
    this.address = server.address;
    this.directory = mkdtempSync(join(tmpdir(), "shieldgate-l7-"));
    this.marker = buildMarker(ROOT, this.directory);
    for (const rival of RIVALS) {
      const reason = rival.missing();
      if (reason !== undefined) this.skipped.set(rival.name, reason);
    }
  }

  async open(): Promise<void> {
    writeFileSync(join(this.directory, "big"), Buffer.alloc(BIG_BYTES, "x"));
    const config = join(this.directory, "server.conf");
    writeFileSync(config, serverConfig(this.directory));
    this.children.push(startPinned(this.server.netns, ["nginx", "-c", config]));
    const xdsPath = join(this.directory, "xds.sock");
    this.discovery = await createPolicyDiscovery({
      socketPath: xdsPath,
      onAccessRecord: () => void this.records.taken++,
      onLostRecords: (count) => {
        this.records.lost += count;
      },
    });
    this.proxy = startProxy({ node: this.server.node, directory: this.directory, xdsPath });
    this.children.push(this.proxy);
    await this.setPolicy(await orEnd(this.proxy, this.publish(1)));
  }

  private publish(rules: number): Promise<ReadonlyMap<string, number>> {
    const http = pathsOf(rules).map((path) => ({ method: "GET", path }));
    const redirects = [false, true].map((http2) => {
      const port = servicePort(0, http2);
      const peers = [{ identities: [CLIENT_IDENTITY], http, deny: false, precedence: 1, origin: 0 }];
      return { key: keyOf(port), direction: "ingress", protocol: TCP, port, parser: "http", rules: peers } as const;
    });
    const endpoint = { endpointId: this.server.id, endpointIp: this.address, secrets: new Map<string, string>() };
    return this.discovery!.publish({ ...endpoint, revision: rules, redirects });
  }

  private async setPolicy(ours: ReadonlyMap<string, number>): Promise<void> {
    const judged = [false, true].flatMap((http2) =>
      RIVALS.map((_, index) => {
        const port = servicePort(index + 1, http2);
        return [keyOf(port), RIVAL_LISTEN_PORT + index + (http2 ? HTTP2 : 0)] as [string, number];
      }),
    );
    const proxyPorts = [...ours, ...judged];
    const one = { identity: CLIENT_IDENTITY, protocol: TCP, portPrefix: 16 } as const;
    const direct = [DIRECT_PORT, DIRECT_PORT + HTTP2].map((port) => entry({ ...one, port }));
    const redirected = proxyPorts.map(([key]) =>
      entry({ ...one, port: Number(key.slice(keyOf(0).length - 1)), redirect: key, precedence: 2 }),
    );
    const own = [entry({ direction: "egress" }), ...direct, ...redirected];
    await this.server.node.call("setPolicy", this.server.id, policy(own, proxyPorts));
  }

  async begin(job: Job): Promise<readonly Way[]> {
    await Promise.all(this.rivals.map(ended));
    await this.publish(job.rules);
    this.rivals = [];
    const ways: Way[] = [
      { name: "direct", port: DIRECT_PORT + (job.http2 ? HTTP2 : 0) },
      { name: "ours", port: servicePort(0, job.http2), pid: this.proxy!.pid! },
    ];
    for (const [index, rival] of RIVALS.entries()) {
      if (this.skipped.has(rival.name)) continue;
      const child = this.startRival(rival, index, job);
      this.rivals.push(child);
      ways.push({ name: rival.name, port: servicePort(index + 1, job.http2), pid: child.pid! });
    }
    await sleep(1000);
    for (const child of this.rivals) if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(" ")} ended`);
    return ways;
  }

  private startRival(rival: Rival, index: number, { rules, http2 }: Job): ChildProcess {
    const directory = join(this.directory, rival.name);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, "config.json");
    const task = {
      listenPort: RIVAL_LISTEN_PORT + index + (http2 ? HTTP2 : 0),
      clientAddress: this.clientAddress,
      address: this.address,
      port: servicePort(index + 1, http2),
      paths: pathsOf(rules),
      http2,
    };
    writeFileSync(path, rival.config(task, directory));
    const env = ["env", `LD_PRELOAD=${this.marker}`, `SOCKET_MARK=${PROXY_MARK_INGRESS}`];
    return startPinned(this.server.node.netns, [...env, ...rival.command(path)]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.children, ...this.rivals].map(ended));
    await this.discovery?.close();
    await this.lab.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Makes pods, server and proxies; everything is removed when that fails, and when the process is told to end. */
export async function openL7World(): Promise<L7World> {
  // the agent's side is not to disturb what is measured, and other work of the machine is not to disturb either
  execFileSync("taskset", ["-cp", String(CLIENT_CPU), String(process.pid)]);
  goFirst();
  const lab = await openLab({ watched: false });
  let close = () => lab.close();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void close().then(() => process.exit(1)));
  try {
    const [node] = lab.nodes;
    const client = await lab.pod(node, 101, CLIENT_IDENTITY, 10);
    const server = await lab.pod(node, 102, SERVER_IDENTITY, 11);
    await node.call("setPolicy", client.id, policy(ALLOW_ALL, [], false));
    await node.call("read");
    const world = new World(lab, client, server);
    close = () => world.close();
    await world.open();
    return world;
  } catch (error) {
    await close();
    throw error;
  }
}
