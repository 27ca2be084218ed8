import { createServer, type Http2Server } from "node:http2";
import { type AddressInfo, connect, createServer as createSilent } from "node:net";
import { afterEach, expect, it } from "vitest";
import { checkHealth } from "./grpc-probe.ts";

let server: Http2Server | undefined;
afterEach(() => server?.close());

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
        stream.sendTrailers({ "grpc-status": code, "grpc-message": code === "0" ? "" : "no such service" }),
      );
      stream.end(Buffer.from(status === 0 ? [0, 0, 0, 0, 0] : [0, 0, 0, 0, 2, 8, status]));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { ask: (service = "") => checkHealth(connect(port, "127.0.0.1"), service, 2000), asked };
}

it.each([
  [1, "0", undefined],
  [2, "0", 'service unhealthy (responded with "NOT_SERVING")'],
  [0, "0", 'service unhealthy (responded with "UNKNOWN")'],
  [0, "5", "rpc error: code 5: no such service"],
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
  await expect(checkHealth(connect(port, "127.0.0.1"), "", 50)).rejects.toThrow("did not complete within 0.05s");
  silent.close();
});
