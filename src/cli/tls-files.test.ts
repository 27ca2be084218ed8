import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openAuthority } from "../kube/pki/authority.ts";
import { tlsFromFiles } from "./tls-files.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-tls-files-"));
const file = (name: string) => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true }));

beforeAll(() => {
  const authority = openAuthority(directory);
  authority.server("first", "first", ["a"]);
  authority.server("second", "second", ["a"]);
});

/** As the authority replaces a pair: the key, then the certificate, each in one step. */
function replace(name: "key" | "crt", from: string): void {
  copyFileSync(from, file(`${name}.new`));
  renameSync(file(`${name}.new`), file(`used.${name}`));
}

test("a certificate is used when it has been replaced with its key, and not when it does not go with it", async () => {
  for (const name of ["key", "crt"] as const) replace(name, file(`first.${name}`));
  const told: string[] = [];
  const news = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<string>();
  const paths = { cert: file("used.crt"), key: file("used.key"), ca: file("ca.crt") };
  const tls = tlsFromFiles(paths, (error) => refused.resolve(error.message))!;
  tls.onRenewed(() => {
    told.push("renewed");
    news.resolve();
  });
  const first = tls.current().cert;

  replace("crt", file("second.crt"));
  expect(await refused.promise).toMatch(/key values mismatch/);
  expect(tls.current().cert).toBe(first);
  expect(told).toEqual([]);

  replace("key", file("second.key"));
  replace("crt", file("second.crt"));
  await news.promise;
  expect(tls.current().cert).not.toBe(first);
});

test("all three files or none, and what is there must be good", () => {
  const ignore = () => undefined;
  expect(tlsFromFiles({ cert: undefined, key: undefined, ca: undefined }, ignore)).toBeUndefined();
  const some = { cert: file("first.crt"), key: file("first.key"), ca: undefined };
  expect(() => tlsFromFiles(some, ignore)).toThrow("name all three files");
  expect(() => tlsFromFiles({ ...some, ca: file("none.crt") }, ignore)).toThrow("ENOENT");
  writeFileSync(file("bad.crt"), "no certificate");
  expect(() => tlsFromFiles({ ...some, cert: file("bad.crt"), ca: file("ca.crt") }, ignore)).toThrow();
});
