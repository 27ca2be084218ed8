import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAuthority } from "./authority.ts";
import { tokenAuthority } from "./token.ts";

describe("openAuthority", () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "shieldgate-pki-"));
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it("issues certificates that its own certificate verifies, with user, groups and names", () => {
    const authority = openAuthority(directory);
    const ca = new X509Certificate(authority.ca);
    expect(ca.ca).toBe(true);
    const client = new X509Certificate(authority.client("admin", "jane", ["team-a", "team-b"]).cert);
    expect(client.verify(ca.publicKey)).toBe(true);
    expect(client.subject).toBe("O=team-a\nO=team-b\nCN=jane");
    const server = new X509Certificate(authority.server("web", "web", ["10.0.0.1", "fd00::1", "web.test"]).cert);
    expect(server.checkIP("10.0.0.1")).toBe("10.0.0.1");
    expect(server.checkIP("fd00::1")).toBe("fd00::1");
    expect(server.checkHost("web.test")).toBe("web.test");
    expect(server.checkIP("10.0.0.2")).toBeUndefined();
  });

  it("keeps what is still good and renews what is not", () => {
    const first = openAuthority(directory);
    const kept = first.server("web", "web", ["a.test"]);
    expect(openAuthority(directory).server("web", "web", ["a.test"])).toEqual(kept);
    expect(openAuthority(directory).server("web", "web", ["a.test", "b.test"]).cert).not.toBe(kept.cert);
    const later = new Date(Date.now() + 360 * 86_400_000);
    const renewed = openAuthority(directory, later).client("admin", "jane", []);
    expect(Date.parse(new X509Certificate(renewed.cert).validTo)).toBeGreaterThan(later.getTime());
    expect(openAuthority(directory).ca).toBe(first.ca);
  });

  it("keeps keys from other users", () => {
    openAuthority(directory);
    expect(statSync(join(directory, "ca.key")).mode & 0o077).toBe(0);
  });

  it("signs tokens that only the same key verifies", () => {
    const tokens = tokenAuthority(openAuthority(directory).tokenKey);
    const token = tokens.sign({ sub: "a" });
    expect(tokens.verify(token)).toEqual({ sub: "a" });
    const [head, , signature] = token.split(".");
    const forged = `${head}.${Buffer.from('{"sub":"b"}').toString("base64url")}.${signature}`;
    expect(tokens.verify(forged)).toBeUndefined();
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${forged.split(".")[1]}.`;
    expect(tokens.verify(none)).toBeUndefined();
  });
});
