import { expect, test, vi } from "vitest";
import type { ProxySockets } from "./listeners.ts";
import { warming, warmUp } from "./warm-up.ts";

test("a warm-up gets an answer to all that it asks", async () => {
  await expect(warmUp()).resolves.toBeUndefined();
});

test("is set off once, by the first port of HTTP that is there, and not by one that cannot be had", async () => {
  const listening = { close: () => undefined };
  const listenStreams = vi.fn<ProxySockets["listenStreams"]>(async () => listening);
  listenStreams.mockRejectedValueOnce(new Error("EADDRINUSE"));
  const warm = vi.fn(async () => undefined);
  const sockets = warming({ listenStreams } as unknown as ProxySockets, () => undefined, warm);
  const listen = () => sockets.listenStreams(80, "ingress", () => undefined);
  await expect(listen()).rejects.toThrow("EADDRINUSE");
  await new Promise(setImmediate);
  expect(warm).not.toHaveBeenCalled();
  expect(await listen()).toBe(listening);
  expect(await listen()).toBe(listening);
  await vi.waitFor(() => expect(warm).toHaveBeenCalledOnce());
});
