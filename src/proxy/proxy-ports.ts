import { PROXY_PORTS } from "../model/proxy-mark.ts";

interface ReportedListener {
  readonly endpointId: number;
  readonly redirectKey: string;
  readonly port: number;
}

/**
 * Which port each redirect has. A redirect keeps its port as long as its endpoint lives, over restarts of the proxy
 * (the agent tells it) and of the agent (the proxy tells it), because entries in the kernel name it.
 */
export class ProxyPorts {
  private readonly byRedirect = new Map<string, number>();
  private readonly taken = new Set<number>();
  private next: number = PROXY_PORTS.first;

  /** Takes over what a proxy listens on, unless that redirect or port is already given. */
  adopt(listeners: readonly ReportedListener[]): void {
    for (const { endpointId, redirectKey, port } of listeners) {
      const name = nameOf(endpointId, redirectKey);
      if (this.byRedirect.has(name) || this.taken.has(port)) continue;
      this.byRedirect.set(name, port);
      this.taken.add(port);
    }
  }

  /** Throws when every port is taken. */
  portOf(endpointId: number, redirectKey: string): number {
    const name = nameOf(endpointId, redirectKey);
    const known = this.byRedirect.get(name);
    if (known !== undefined) return known;
    const port = this.free();
    this.byRedirect.set(name, port);
    this.taken.add(port);
    return port;
  }

  /** Somebody else has the port: its redirect gets another, and nobody gets this one again. */
  abandon(port: number): void {
    for (const [name, given] of this.byRedirect) if (given === port) this.byRedirect.delete(name);
    this.taken.add(port);
  }

  release(endpointId: number): void {
    for (const [name, port] of this.byRedirect) {
      if (!name.startsWith(`${endpointId}/`)) continue;
      this.byRedirect.delete(name);
      this.taken.delete(port);
    }
  }

  private free(): number {
    const count = PROXY_PORTS.last - PROXY_PORTS.first + 1;
    for (let tries = 0; tries < count; tries++) {
      const port = this.next;
      this.next = port === PROXY_PORTS.last ? PROXY_PORTS.first : port + 1;
      if (!this.taken.has(port)) return port;
    }
    throw new Error(`every proxy port from ${PROXY_PORTS.first} to ${PROXY_PORTS.last} is taken`);
  }
}

function nameOf(endpointId: number, redirectKey: string): string {
  return `${endpointId}/${redirectKey}`;
}
