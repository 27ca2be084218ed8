import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";

let server: ChildProcess;
let output = "";
let url = "";

beforeAll(async () => {
  const port = 20_000 + (process.pid % 10_000);
  url = `http://127.0.0.1:${port}`;
  server = spawn(process.execPath, ["src/cli/starwars.ts"], { env: { ...process.env, PORT: String(port) } });
  server.stdout!.on("data", (chunk) => {
    output += chunk;
  });
  await once(server.stdout!, "data");
});
afterAll(async () => {
  server.kill();
  await once(server, "exit");
});

test.each([
  ["POST", "/v1/request-landing", 200, /^Ship landed\n$/],
  ["PUT", "/v1/exhaust-port", 200, /^Panic: deathstar exploded\n\ngoroutine 1 \[running\]:\nmain\.HandleGarbage\(/],
  ["GET", "/v1/", 200, /"name": "Death Star"/],
  ["GET", "/healthz", 200, /^OK\n$/],
  ["GET", "/v1/request-landing", 404, /not found/],
  ["GET", "/", 404, /not found/],
])("%s %s is %i", async (method, path, status, body) => {
  const response = await fetch(url + path, { method });
  expect(response.status).toBe(status);
  expect(await response.text()).toMatch(body);
});

test("every request that reached it is logged, with its body read", async () => {
  const response = await fetch(`${url}/v1/cargobay`, { method: "PUT", body: "droids".repeat(20_000) });
  expect(await response.text()).toBe("Cargo received\n");
  expect(await (await fetch(`${url.replace("127.0.0.1", "[::1]")}/v1/cargobay`, { method: "PUT" })).text()).toBe(
    "Cargo received\n",
  );
  // the log comes by a pipe, the answers by a socket
  await expect.poll(() => output).toMatch(/PUT \/v1\/cargobay 200 \[::1\]:\d+ \[::1\]:\d+\n/);
  expect(output).toMatch(/PUT \/v1\/cargobay 200 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+\n/);
});
