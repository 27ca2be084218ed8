import { expect, it } from "vitest";
import type { DatagramSockets } from "./datagrams.ts";
import { DnsLinks } from "./dns-links.ts";

it("has so many ways to servers and no more; one on which nobody waits gives its place up", () => {
  const open = new Map<string, (bytes: Uint8Array) => void>();
  const sockets: DatagramSockets = {
    listen: () => ({ close: () => undefined }),
    answer: () => true,
    connect: ({ serverAddress }, _, { message }) => {
      open.set(serverAddress, message);
      return { send: () => true, close: () => void open.delete(serverAddress) };
    },
  };
  const links = new DnsLinks(sockets, "egress");
  const outcomes: string[] = [];
  const asker = {
    answered: () => outcomes.push("answered") > 0,
    failed: (reason: string) => void outcomes.push(reason),
  };
  const ask = (number: number) => {
    const path = {
      clientAddress: "172.20.1.5",
      clientPort: 1,
      serverAddress: `10.0.${number >> 8}.${number & 255}`,
      serverPort: 53,
    };
    links.ask(path, new Uint8Array(12), asker);
  };
  for (let number = 0; number < 256; number++) ask(number);
  expect([links.size, open.size]).toEqual([256, 256]);
  ask(256);
  expect(outcomes).toEqual(["too many servers at once"]);
  // All IDs: one of them is the question's.
  for (let id = 0; id < 65_536; id++)
    open.get("10.0.0.7")!(Uint8Array.of(id >> 8, id & 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  expect(outcomes).toEqual(["too many servers at once", "answered"]);
  ask(256);
  expect([open.has("10.0.0.7"), open.has("10.0.1.0"), open.size]).toEqual([false, true, 256]);
  links.close();
  expect(open.size).toBe(0);
});
