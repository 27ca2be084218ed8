/** What the kernel judged about a redirected connection, for the proxy: its own process, by the pinned map. */
import type { ProxyOrigin, ProxyOrigins } from "../port.ts";
import { writeAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import { bpf, check } from "./libbpf.ts";
import { kernelMap } from "./map.ts";
import { pinPath } from "./object.ts";

const KEY = LAYOUT.sg_proxy_key;
const ORIGIN = LAYOUT.sg_proxy_origin;
const TCP = 6;
const INGRESS = 1;

function decode(value: Buffer): ProxyOrigin {
  return {
    sourceIdentity: value.readUInt32LE(ORIGIN.fields.src_identity),
    destinationIdentity: value.readUInt32LE(ORIGIN.fields.dst_identity),
    endpoint: value.readUInt16LE(ORIGIN.fields.endpoint),
    direction: value.readUInt8(ORIGIN.fields.direction) === INGRESS ? "ingress" : "egress",
  };
}

/** Opens the pinned map; throws when no datapath was prepared with this `pinDirectory`. */
export function openProxyOrigins(options: { readonly pinDirectory: string }): ProxyOrigins {
  const path = pinPath(options.pinDirectory, "sg_proxy_origin");
  const map = kernelMap("sg_proxy_origin", check(`open ${path}`, bpf.objGet(path)), KEY.size, ORIGIN.size);
  const latest = Buffer.alloc(ORIGIN.size);
  return {
    lookup(client, clientPort, server, serverPort, protocol = TCP) {
      const value = map.get(keyOf(client, clientPort, server, serverPort, protocol));
      return value && decode(value);
    },
    follow(client, clientPort, server, serverPort) {
      const key = keyOf(client, clientPort, server, serverPort, TCP);
      const known = Buffer.alloc(ORIGIN.size);
      let origin: ProxyOrigin | undefined;
      return () => {
        if (!map.read(key, latest)) return undefined;
        if (origin !== undefined && known.equals(latest)) return origin;
        latest.copy(known);
        origin = decode(latest);
        return origin;
      };
    },
  };
}

function keyOf(client: string, clientPort: number, server: string, serverPort: number, protocol: number): Buffer {
  const key = Buffer.alloc(KEY.size);
  writeAddress(key, KEY.fields.client, client);
  writeAddress(key, KEY.fields.server, server);
  key.writeUInt16BE(clientPort, KEY.fields.client_port);
  key.writeUInt16BE(serverPort, KEY.fields.server_port);
  key.writeUInt8(protocol, KEY.fields.protocol);
  return key;
}
