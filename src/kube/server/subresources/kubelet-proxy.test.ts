import { once } from "node:events";
import { createServer, request as httpsRequest, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { KubeObject } from "../../object.ts";
import { Nodes, Pods } from "../../resources.ts";
import { startTestServer, type TestServer } from "../test-server.ts";

let test: TestServer;
let kubelet: Server;
/** What the kubelet was asked, and by whom. */
const asked: { path: string; method: string; user: string; protocol: string }[] = [];

beforeAll(async () => {
  test = await startTestServer();
  const { authority } = test.server;
  const pair = authority.server("kubelet-test", "system:node:n1", ["127.0.0.1"], ["system:nodes"]);
  kubelet = createServer({ ...pair, ca: authority.ca, requestCert: true }, (request, response) => {
    asked.push({ path: request.url ?? "", method: request.method ?? "", user: "", protocol: "" });
    response.write("line 1\n");
    response.end("line 2\n");
  });
  kubelet.on("upgrade", (request, socket: Duplex) => {
    const user = String(
      (request.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate().subject
        .CN,
    );
    const protocol = String(request.headers["x-stream-protocol-version"]);
    asked.push({ path: request.url ?? "", method: request.method ?? "", user, protocol });
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nhello ",
    );
    socket.on("data", (bytes: Buffer) => socket.write(bytes.toString().toUpperCase()));
    socket.on("end", () => socket.end());
  });
  kubelet.listen(0, "127.0.0.1");
  await once(kubelet, "listening");
  await createPodOn("n1", (kubelet.address() as AddressInfo).port);
});

afterAll(async () => {
  kubelet.close();
  kubelet.closeAllConnections();
  await test.close();
});

async function createPodOn(node: string, port: number): Promise<void> {
  const { client } = test;
  const status = {
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  const created = await client.create(Nodes, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node },
    status,
  } as unknown as KubeObject);
  await client.updateStatus(Nodes, { ...created, status });
  const metadata = { name: "p", namespace: "default" };
  await client.create(Pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { containers: [{ name: "main", image: "a:1" }] },
  });
  await client.raw("POST", "/api/v1/namespaces/default/pods/p/binding", { target: { name: node } });
}

it("fetches logs from the pod's kubelet", async () => {
  const text = await test.client.raw("GET", "/api/v1/namespaces/default/pods/p/log?tailLines=2&follow=true");
  expect(text).toBe("line 1\nline 2\n");
  expect(asked.at(-1)?.path).toBe("/containerLogs/default/p/main?tailLines=2&follow=true");
  const wrong = await test.client.raw("GET", "/api/v1/namespaces/default/pods/p/log?container=x").catch(String);
  expect(wrong).toContain("container x is not valid for pod p");
});

it("joins an upgraded connection with the kubelet's, byte for byte, both ways", async () => {
  const { authority } = test.server;
  const request = httpsRequest(
    `${test.url}/api/v1/namespaces/default/pods/p/exec?command=ls&command=-l&stdin=true&container=main`,
    {
      method: "POST",
      ca: authority.ca,
      ...authority.client("test-exec", "exec", ["system:masters"]),
      headers: { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" },
      agent: false,
    },
  );
  request.end();
  const [answer, socket, head] = (await once(request, "upgrade")) as [
    { headers: Record<string, string> },
    Duplex,
    Buffer,
  ];
  expect(answer.headers["x-stream-protocol-version"]).toBe("v4.channel.k8s.io");
  let text = head.toString();
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  socket.write("pods");
  while (!text.endsWith("PODS")) await once(socket, "data");
  socket.end();
  expect(text).toBe("hello PODS");
  expect(asked.at(-1)).toEqual({
    path: "/exec/default/p/main?command=ls&command=-l&stdin=true",
    method: "POST",
    user: "kube-apiserver-kubelet-client",
    protocol: "v4.channel.k8s.io",
  });
});

it("does not let other users in", async () => {
  const refused = await test.as("jane").raw("GET", "/api/v1/namespaces/default/pods/p/log").catch(String);
  expect(refused).toContain('cannot get resource "pods/log"');
});
