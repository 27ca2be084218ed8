import { request } from "node:http";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import {
  GetFlowsRequestSchema,
  GetFlowsResponseSchema,
  Observer as ObserverService,
} from "../../proto/gen/observer_pb.js";
import { createFlowRing, type FlowRing } from "../flow/index.ts";
import { createObserver, createRelay, type Observer } from "./index.ts";

let node: Observer;
let relay: Observer;
let ring: FlowRing;
beforeEach(async () => {
  const options = { version: "v0.1.0", now: Date.now, nodeName: "default/k8s-w1" };
  ring = createFlowRing(15);
  node = createObserver({ ...options, ring });
  await node.serve([{ host: "127.0.0.1", port: 0 }]);
  relay = createRelay({ ...options, peers: [{ name: "default/k8s-w1", address: `127.0.0.1:${node.port}` }] });
  await relay.serve([{ host: "127.0.0.1", port: 0 }]);
  ring.append({ kind: "flow", flow: create(FlowSchema, { uuid: "f1" }) });
});
afterEach(async () => {
  await relay.close();
  await node.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}

const FLOWS = "/observer.Observer/GetFlows";

function ask(method: string, headers: Record<string, string>, body?: Uint8Array, path = FLOWS): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const open = request({ host: "127.0.0.1", port: relay.port, path, method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
    });
    open.on("error", reject);
    open.end(body);
  });
}

const GRPC_WEB = { "content-type": "application/grpc-web+proto" };
const PAGE = "http://localhost:12000";

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

it.each(["application/grpc", "application/grpc-web+proto", "text/plain"])(
  "what it has not is not found by HTTP/1.1, whatever it is called: %s",
  async (type) => {
    expect(await ask("POST", { "content-type": type }, new Uint8Array(5), "/peer.Peer/Notify")).toMatchObject({
      status: 404,
    });
    expect((await ask("POST", GRPC_WEB, frame(new Uint8Array()))).status).toBe(200);
  },
);

it("gives a page of this machine flows by gRPC-web over HTTP/1.1", async () => {
  const body = frame(toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { number: 5n })));
  const answer = await ask("POST", { ...GRPC_WEB, origin: PAGE }, body);
  expect(answer).toMatchObject({ status: 200, headers: { "access-control-allow-origin": PAGE, vary: "origin" } });
  expect(answer.headers["hubble-relay-version"]).toBe("v0.1.0");
  const [status, flow] = [answer.body.readUInt32BE(1), 0];
  const second = answer.body.subarray(5 + status + flow);
  const response = fromBinary(GetFlowsResponseSchema, second.subarray(5, 5 + second.readUInt32BE(1)));
  expect(response.responseTypes).toMatchObject({ case: "flow", value: { uuid: "f1" } });
  expect(answer.body.toString("latin1")).toContain("grpc-status: 0");
});

it("answers before the call whether a page may call", async () => {
  const asked = { "access-control-request-method": "POST", "access-control-request-headers": "x-grpc-web" };
  const answer = await ask("OPTIONS", { ...asked, origin: PAGE });
  expect(answer).toMatchObject({ status: 204, headers: { "access-control-allow-origin": PAGE } });
  expect(String(answer.headers["access-control-allow-headers"]).toLowerCase()).toContain("x-grpc-web");
});

it.each([
  ["a page of another origin", { origin: "https://evil.example" }, "pages of https://evil.example may not"],
  ["a page that only looks like it", { origin: "http://localhost.evil.example" }, "may not read flows"],
  ["a name that points here", { host: "evil.example" }, "the host evil.example is not"],
])("refuses %s", async (_what, headers, why) => {
  const answer = await ask("POST", { ...GRPC_WEB, ...headers });
  expect(answer.status).toBe(403);
  expect(answer.body.toString()).toContain(why);
});

it("speaks gRPC and gRPC-web over HTTP/2 at the same port", async () => {
  const baseUrl = `http://127.0.0.1:${relay.port}`;
  const transports = [
    createGrpcTransport({ baseUrl }),
    createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  ];
  for (const transport of transports) {
    const status = await createClient(ObserverService, transport).serverStatus({});
    expect(status.numConnectedNodes).toBe(1);
  }
});
