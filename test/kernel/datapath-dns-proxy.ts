/** The proxy's DNS listeners for a node of the datapath's tests, with what they recorded. */
import type { ProxyOrigins } from "../../src/datapath/port.ts";
import type { DnsObservation } from "../../src/model/dns-observation.ts";
import { Protocol } from "../../src/model/protocol.ts";
import { transparentDatagrams } from "../../src/proxy/datagrams.ts";
import { DnsListener } from "../../src/proxy/dns-listener.ts";
import { DnsPolicy } from "../../src/proxy/dns-policy.ts";
import { transparentSockets } from "../../src/proxy/sockets.ts";

export interface DnsProxy {
  readonly observed: DnsObservation[];
  close(): void;
}

/** Serves UDP and TCP at the port for one endpoint; every server may be asked for names that match the patterns. */
export async function serveDns(
  origins: ProxyOrigins,
  endpointId: number,
  port: number,
  patterns: readonly string[],
): Promise<DnsProxy> {
  const observed: DnsObservation[] = [];
  const datagrams = transparentDatagrams();
  const sockets = transparentSockets();
  const rules = [{ dns: patterns.map((matchPattern) => ({ matchPattern })), deny: false, precedence: 0, origin: 0 }];
  const listeners = [Protocol.Udp, Protocol.Tcp].map((protocol) => {
    const key = `egress:${protocol}:53:dns`;
    const policy = new DnsPolicy({ key, direction: "egress", protocol, port: 53, parser: "dns", rules });
    return new DnsListener(endpointId, policy, port, {
      sockets,
      datagrams,
      origins,
      observe: async (observation) => void observed.push(observation),
      record: () => undefined,
      now: Date.now,
      connectTimeoutMs: 1000,
    });
  });
  await Promise.all(listeners.map((listener) => listener.open()));
  return {
    observed,
    close: () => {
      for (const listener of listeners) listener.retire();
    },
  };
}
