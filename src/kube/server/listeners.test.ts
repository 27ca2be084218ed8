import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { connect } from "../client/connect.ts";
import { Namespaces } from "../resources.ts";

const MAIN = `
  const { createApiServer } = await import(${JSON.stringify(new URL("./api-server.ts", import.meta.url).href)});
  const server = await createApiServer({
    store: process.argv[1] + "/store.db",
    certificates: process.argv[1] + "/pki",
    listeners: [{ fd: 3 }, { host: "127.0.0.1", port: 0 }],
    definitions: [],
  });
  (await import("node:fs")).writeFileSync(process.argv[1] + "/kubeconfig", server.adminKubeconfig("https://127.0.0.1:" + server.ports[0]));
  console.log(server.ports.join());
`;

it("serves on a socket that another process opened, and on an address of its own", async () => {
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-fd-"));
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { fd } = (holder as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(process.execPath, ["--input-type=module", "-e", MAIN, directory], {
    stdio: ["ignore", "pipe", "inherit", fd],
  });
  try {
    const [line] = (await once(child.stdout!, "data")) as [Buffer];
    const { port } = holder.address() as AddressInfo;
    // From here on only the child accepts.
    await new Promise((resolve) => holder.close(resolve));
    const [inherited, own] = line.toString().trim().split(",").map(Number);
    expect(inherited).toBe(port);
    expect(own).not.toBe(port);
    const client = connect({ kubeconfig: join(directory, "kubeconfig") });
    expect((await client.list(Namespaces)).items).toHaveLength(4);
    client.close();
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
    rmSync(directory, { recursive: true });
  }
});
