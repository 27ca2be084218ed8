import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";
import { AccessLogService, AccessRecordsSchema } from "../../proto/gen/proxy_pb.js";
import { Http2Proxy, waitFor } from "../../test/support/loopback-http2.ts";
import { allow } from "../../test/support/loopback-proxy.ts";

const CHECK = { method: "POST", path: "/grpc.health.v1.Health/Check" };
const WATCH = { method: "POST", path: "/grpc.health.v1.Health/Watch" };
const STREAM = { method: "POST", path: "/shieldgate.proxy.v1.AccessLogService/.*" };

let proxy: Http2Proxy;
let watching = 0;
afterEach(() => proxy.close());
beforeEach(async () => {
  watching = 0;
  const handler = connectNodeAdapter({
    routes: (router) => {
      router.service(Health, {
        check({ service }) {
          if (service === "lost") throw new ConnectError("no such service", Code.NotFound);
          return { status: Status.SERVING };
        },
        async *watch(_, { signal }) {
          watching++;
          yield { status: Status.SERVING };
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          watching--;
        },
      });
      router.service(AccessLogService, {
        async streamAccessRecords(batches) {
          let lost = 0;
          for await (const batch of batches) lost += batch.lost;
          expect(lost).toBe(5_000);
          return {};
        },
      });
    },
  });
  proxy = await new Http2Proxy({ rules: [allow([CHECK, WATCH, STREAM])], handler }).start();
});

const transport = () => createGrpcTransport({ baseUrl: proxy.url });

test("calls pass with their answers and errors, and a stream of many messages whole", async () => {
  const health = createClient(Health, transport());
  expect((await health.check({ service: "deathstar" })).status).toBe(Status.SERVING);
  await expect(health.check({ service: "lost" })).rejects.toMatchObject({ code: Code.NotFound });
  const batch = create(AccessRecordsSchema, { records: new Uint8Array(500), lost: 1 });
  async function* batches() {
    for (let count = 0; count < 5_000; count++) yield batch;
  }
  await createClient(AccessLogService, transport()).streamAccessRecords(batches());
  expect(proxy.records.map(({ protocol }) => protocol)).toEqual(Array.from({ length: 6 }, () => "HTTP/2"));
});

test("a forbidden call is PERMISSION_DENIED while an allowed one of the same connection goes on", async () => {
  proxy.apply([allow([WATCH])]);
  const health = createClient(Health, transport());
  const seen = health.watch({ service: "" })[Symbol.asyncIterator]();
  expect((await seen.next()).value).toMatchObject({ status: Status.SERVING });
  const refused = health.check({ service: "" });
  await expect(refused).rejects.toMatchObject({ code: Code.PermissionDenied, rawMessage: "Access denied\r\n" });
  expect(proxy.seen).toEqual(["POST /grpc.health.v1.Health/Watch"]);
  expect(watching).toBe(1);
  proxy.apply([allow([CHECK])]);
  await expect(seen.next()).rejects.toMatchObject({ code: Code.Canceled });
  await waitFor(() => watching === 0);
  expect((await health.check({ service: "" })).status).toBe(Status.SERVING);
});

test("a server that is not there is UNAVAILABLE", async () => {
  await proxy.stopServer();
  const refused = createClient(Health, transport()).check({ service: "" });
  await expect(refused).rejects.toMatchObject({ code: Code.Unavailable });
});
