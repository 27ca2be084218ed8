import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readKubeconfig } from "./kubeconfig.ts";

const root = mkdtempSync(join(tmpdir(), "kubeconfig-"));
afterAll(() => rmSync(root, { recursive: true }));

const config = (user: object, cluster: object = {}, more: object = {}) => ({
  "current-context": "main",
  contexts: [{ name: "main", context: { cluster: "c", user: "u" } }],
  clusters: [{ name: "c", cluster: { server: "https://one", ...cluster } }],
  users: [{ name: "u", user }],
  ...more,
});
function file(name: string, content: unknown): string {
  const path = join(root, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}
function program(name: string, lines: string): string {
  const path = file(name, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
  return path;
}
const exec = (command: string, more: object = {}) => ({
  exec: { apiVersion: "client.authentication.k8s.io/v1", command, ...more },
});
const read = (...args: Parameters<typeof config>) => readKubeconfig(file("config", config(...args)));

describe("a kubeconfig", () => {
  test("of several files is one: the first of a name counts, paths hang on their own file's folder", async () => {
    file("two/token", " secret\n");
    const paths = [
      file("one/config", {
        contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
        clusters: config({}).clusters,
      }),
      file("two/config", config({ tokenFile: "token" }, { server: "https://two" }, { "current-context": "a" })),
    ];
    expect(await readKubeconfig(paths)).toEqual({ server: "https://one", token: "secret" });
    expect(await readKubeconfig(paths[1]!, "main")).toEqual({ server: "https://two", token: "secret" });
  });

  test.each([
    ["no current context", config({}, {}, { "current-context": "" }), /no current context: name one; it has main$/],
    ["a context of another name", config({}, {}, { "current-context": "x" }), /no context named "x"; it has main$/],
    ["no user", config({}, {}, { users: [] }), /no user named "u"; it has none$/],
    ["no server", config({}, { server: undefined }), /cluster c has no server/],
    ["nothing", "", /is no kubeconfig/],
    ["half a text", "a: [secret", /is no kubeconfig$/],
    [
      "TLS that is not checked",
      config({}, { "insecure-skip-tls-verify": true }),
      /insecure-skip-tls-verify .* give cert/,
    ],
    ["another name in TLS", config({}, { "tls-server-name": "x" }), /tls-server-name is not supported/],
    ["a proxy", config({}, { "proxy-url": "x" }), /proxy-url is not supported/],
    ["a password", config({ username: "x" }), /user.username is not supported; use a client certificate/],
    ["somebody else", config({ as: "x" }), /user.as is not supported/],
    ["a token's file that is not there", config({ tokenFile: "none" }), /ENOENT.*none/],
  ])("with %s is refused by name", async (_, content, message) => {
    await expect(readKubeconfig(file("bad", content))).rejects.toThrow(message);
  });

  test("may name a program that logs in, which is told of the cluster and gets no input", async () => {
    program(
      "bin/login",
      `cat; printf '{"status": {"token": "%s"}}' "$1-$REGION-$(echo "$KUBERNETES_EXEC_INFO" | grep -o 'https://one')"`,
    );
    const login = exec("./bin/login", {
      args: ["it"],
      env: [{ name: "REGION", value: "north" }],
      provideClusterInfo: true,
    });
    expect(await read(login)).toEqual({ server: "https://one", token: "it-north-https://one" });
  });

  test.each([
    [
      "is not there",
      exec("none-such", { installHint: "install it\n" }),
      /there is no program none-such \(install it\)$/,
    ],
    ["fails", exec(program("bin/fails", "echo expired >&2; exit 3")), /bin\/fails failed: expired$/],
    ["prints something else", exec(program("bin/prints", "echo hello")), /bin\/prints printed no ExecCredential$/],
    ["prints nothing to log in with", exec(program("bin/empty", "echo '{}'")), /neither a token nor a certificate/],
    ["speaks another version", { exec: { apiVersion: "x/v9", command: "y" } }, /apiVersion x\/v9 is none of/],
    ["has no name", { exec: { apiVersion: "x/v9" } }, /names no command/],
  ])("and is refused where it %s", async (_, user, message) => {
    await expect(read(user)).rejects.toThrow(message);
  });
});
