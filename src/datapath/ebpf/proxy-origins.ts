/** What the kernel judged about a redirected connection, for the proxy: its own process, by the pinned map. */
import { PAGE_BYTES, type ProxyOrigin, type ProxyOrigins } from "../port.ts";
import { writeAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import { bpf, check, libcCalls, mapPages } from "./libbpf.ts";
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

/** Opens the pinned maps; throws when no datapath was prepared with this `pinDirectory`. */
export function openProxyOrigins(options: { readonly pinDirectory: string }): ProxyOrigins {
  const open = (name: string) => {
    const path = pinPath(options.pinDirectory, name);
    return check(`open ${path}`, bpf.objGet(path));
  };
  const map = kernelMap("sg_proxy_origin", open("sg_proxy_origin"), KEY.size, ORIGIN.size);
  const page = mapPages("sg_origin_epoch", open("sg_origin_epoch"), PAGE_BYTES, { writable: false, offset: 0 });
  const epoch = new Uint32Array(libcCalls.view(page, PAGE_BYTES), 0, 1);
  const latest = Buffer.alloc(ORIGIN.size);
  const asked = Buffer.alloc(KEY.size);
  return {
    lookup(client, clientPort, server, serverPort, protocol = TCP) {
      writeKey(asked, client, clientPort, server, serverPort, protocol);
      return map.read(asked, latest) ? decode(latest) : undefined;
    },
    follow(client, clientPort, server, serverPort) {
      let origin: ProxyOrigin | undefined;
      let asOf: number | undefined;
      return () => {
        // Read first: a change that comes meanwhile is asked for next time.
        const now = Atomics.load(epoch, 0);
        if (now === asOf) return origin;
        writeKey(asked, client, clientPort, server, serverPort, TCP);
        origin = map.read(asked, latest) ? decode(latest) : undefined;
        asOf = now;
        return origin;
      };
    },
  };
}

function writeKey(
  key: Buffer,
  client: string,
  clientPort: number,
  server: string,
  serverPort: number,
  protocol: number,
): void {
  writeAddress(key, KEY.fields.client, client);
  writeAddress(key, KEY.fields.server, server);
  key.writeUInt16BE(clientPort, KEY.fields.client_port);
  key.writeUInt16BE(serverPort, KEY.fields.server_port);
  key.writeUInt8(protocol, KEY.fields.protocol);
}
