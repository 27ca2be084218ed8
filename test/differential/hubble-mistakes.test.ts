import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { comparable, ourHubble, runHubble } from "../support/hubble-command.ts";
import { BAD_LINES, MISTAKES } from "../support/hubble-mistakes.ts";

const real = oracle("hubble");

describe.skipIf("missing" in real)(`beside the real hubble command, wrong use${skipNote(real)}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
  const program = "path" in real ? real.path : "";
  const both = async (args: readonly string[], env = {}) => {
    const [theirs, ours] = await Promise.all([runHubble(program, args, env), ourHubble(args, env)]);
    return { theirs: comparable(theirs), ours: comparable(ours) };
  };
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(MISTAKES.map((args) => [args.join(" "), args] as const))("ends the same: %s", async (_name, args) => {
    const { ours, theirs } = await both(args);
    expect(ours).toEqual(theirs);
  });

  it.each(BAD_LINES.map((line) => [line]))("takes or refuses the line: %s", async (line) => {
    const file = join(directory, "line.json");
    writeFileSync(file, `${line}\n{"flow":{"node_name":"next"}}\n`);
    const { ours, theirs } = await both(["observe", "--input-file", file, "-o", "json"]);
    expect(ours).toEqual(theirs);
  });

  it("says of a server that hangs up what upstream says", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const env = { HUBBLE_SERVER: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    for (const args of [["observe"], ["status"], ["list", "nodes"]]) {
      const { ours, theirs } = await both(args, env);
      expect(theirs.code).toBe(1);
      expect(ours).toEqual(theirs);
    }
    await new Promise((resolve) => server.close(resolve));
  });

  it("tells of a field that it does not know once, and drops such fields from then on", async () => {
    const file = join(directory, "newer.json");
    const lines = ['{"flow":{"bogus":{"x":[1,{}]}}}', '{"other":1,"flow":{"verdict":"NEW"}}', '{"flow":{"verdict":7}}'];
    writeFileSync(file, lines.join("\n"));
    const { ours, theirs } = await both(["observe", "--input-file", file]);
    expect(theirs.err).toContain("unknown field detected");
    expect(ours).toEqual(theirs);
  });

  it("stops at a line of more than 64 KiB, after what came before it", async () => {
    const file = join(directory, "long.json");
    const flow = (size: number) => `{"flow":{"Summary":"${"x".repeat(size)}"}}\n`;
    for (const size of [65_400, 65_536, 200_000]) {
      writeFileSync(file, flow(1) + flow(size) + flow(2));
      const { ours, theirs } = await both(["observe", "--input-file", file]);
      expect(ours).toEqual(theirs);
    }
  });

  it("settings: flags before the environment, it before the file, the file before defaults", async () => {
    const file = join(directory, "settings.yaml");
    writeFileSync(file, "server: file:1\ntimeout: 9s\ntls: true\ntls-ca-cert-files:\n  - a\n  - b\nother: 5\n");
    const env = { HUBBLE_CONFIG: file, HUBBLE_SERVER: "env:2", HUBBLE_TLS_SERVER_NAME: "yes" };
    for (const args of [["view"], ["get"], ["get", "server"], ["get", "timeout"], ["get", "tls-ca-cert-files"]]) {
      for (const flags of [[], ["--server", "flag:3", "--timeout", "90s", "--tls=false"]]) {
        const { ours, theirs } = await both(["config", ...args, ...flags], env);
        expect(ours).toEqual(theirs);
      }
    }
  });

  it("writes the same configuration file", async () => {
    const changes = [
      ["server", "tls://a:1"],
      ["timeout", "90"],
      ["request-timeout", "1500ms"],
      ["tls", "T"],
      ["tls-ca-cert-files", "a,b"],
      ["tls-server-name", "yes"],
      ["kube-context", "a: b"],
      ["kubeconfig", "'quoted'"],
      ["basic-auth-password", "123"],
      ["debug"],
      ["tls", "maybe"],
      ["timeout", "q"],
      ["server", ""],
    ];
    const files = ["theirs.yaml", "ours.yaml"].map((name) => join(directory, "made", name));
    for (const change of changes) {
      const [theirs, ours] = files.map((file) => ["config", "set", "--config", file, ...change]);
      expect(comparable(await ourHubble(ours ?? []))).toEqual(comparable(await runHubble(program, theirs ?? [])));
      const [written, own] = files.map((file) => readFileSync(file, "utf8"));
      expect(own).toBe(written);
    }
  });

  // upstream's `config reset` ends with "unhandled type uint16, please open an issue", after some keys in random order
  it("resets every key where upstream fails at the port's type", async () => {
    const file = join(directory, "reset.yaml");
    writeFileSync(file, "server: a:1\nport-forward-port: 5\n");
    expect(await ourHubble(["config", "reset", "--config", file])).toEqual({ out: "", err: "", code: 0 });
    expect(readFileSync(file, "utf8")).toContain("port-forward-port: 4245\n");
    const theirs = await runHubble(program, ["config", "set", "--config", file, "port-forward-port", "4"]);
    expect(theirs).toMatchObject({ code: 1, err: "unhandled type uint16, please open an issue\n" });
  });
});
