import { createServer, type Http2Server } from "node:http2";
import { type AddressInfo, connect, createServer as createSilent } from "node:net";
import { afterEach, expect, it } from "vitest";
import { checkHealth } from "./grpc-probe.ts";

let server: Http2Server | undefined;
afterEach(() => server?.close());

const at = (port: number) => ({ where: "1.2.3.4:5", open: () => connect(port, "127.0.0.1") });

async function serve(
  status: number,
  code = "0",
): Promise<{ ask: (service?: string) => Promise<string | undefined>; asked: Buffer[] }> {
  const asked: Buffer[] = [];
  server = createServer();
  server.on("stream", (stream) => {
    stream.on("data", (chunk: Buffer) => asked.push(chunk));
    stream.on("end", () => {
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () =>
        stream.sendTrailers({ "grpc-status": code, "grpc-message": code === "0" ? "" : "no%20such service%3A a" }),
      );
      stream.end(Buffer.from(status === 0 ? [0, 0, 0, 0, 0] : [0, 0, 0, 0, 2, 8, status]));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { ask: (service = "") => checkHealth(at(port), service, 2000), asked };
}

it.each([
  [1, "0", undefined],
  [2, "0", 'service unhealthy (responded with "NOT_SERVING")'],
  [0, "0", 'service unhealthy (responded with "UNKNOWN")'],
  [0, "5", "error: health rpc probe failed: rpc error: code = NotFound desc = no such service: a"],
  [
    0,
    "12",
    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no such service: a",
  ],
])("status %i with code %s", async (status, code, want) => {
  const { ask } = await serve(status, code);
  expect(await ask()).toBe(want);
});

it("names the service, and gives up when nobody answers", async () => {
  const { ask, asked } = await serve(1);
  await ask("liveness");
  expect(Buffer.concat(asked).toString("latin1")).toBe("\0\0\0\0\n\n\bliveness");
  const silent = createSilent((socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const port = (silent.address() as AddressInfo).port;
  await expect(checkHealth(at(port), "", 50)).rejects.toThrow("did not complete within 0.05s");
  silent.close();
});

it("waits for a server that does not listen yet, but not for ever", async () => {
  await serve(1);
  const { port } = server!.address() as AddressInfo;
  await new Promise((resolve) => server!.close(resolve));
  await expect(checkHealth(at(port), "", 50)).rejects.toThrow(
    'timeout: failed to connect service "1.2.3.4:5" within 0.05s: context deadline exceeded',
  );
  await serve(1);
  const { port: second } = server!.address() as AddressInfo;
  let tries = 0;
  const late = { where: "", open: () => connect(tries++ === 0 ? port : second, "127.0.0.1") };
  expect(await checkHealth(late, "", 5000)).toBeUndefined();
  expect(tries).toBe(2);
});
