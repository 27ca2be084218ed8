import { type IncomingMessage, request } from "node:http";
import { afterEach, expect, test } from "vitest";
import { FORBIDDEN_PUT } from "../../test/support/access-record.ts";
import { AgentWorld } from "../../test/support/agent-world.ts";

let world: AgentWorld | undefined;
afterEach(() => world?.end());

test("who monitors sees no secret of a request", async () => {
  world = new AgentWorld();
  await world.start();
  const { socketPath, proxy } = world;
  const headers = [
    { name: "authorization", value: "Bearer s3cr3t" },
    { name: "user-agent", value: "curl/8" },
  ];
  const open = request({ socketPath, path: "/v1/monitor" });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    open.on("response", resolve).on("error", reject).end();
  });
  proxy.access({ ...FORBIDDEN_PUT, url: "http://u:s3cr3t@h/p?token=s3cr3t", headers });
  let text = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    text += chunk.toString("latin1");
    if (text.includes("curl/8")) break;
  }
  open.destroy();
  expect(text).toContain('"authorization","value":"HUBBLE_REDACTED"');
  expect(text).not.toContain("s3cr3t");
});
