import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const name = `s${process.pid}`;
const lab = new TestLab(name);
let scratch = "";

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "shieldgate-demo-"));
});
afterAll(async () => {
  await lab.down();
  rmSync(scratch, { recursive: true });
});

test("the demo shows every step, in plain text when nobody watches, and leaves the lab", async () => {
  const demo = await lab.shieldgate("demo");
  expect([demo.code, demo.stdout]).toEqual([0, expect.stringContaining("Every step showed what it must.")]);
  expect(demo.stdout).toMatch(/\$ kubectl exec tiefighter .*exhaust-port\n {2}Access denied/);
  expect(demo.stdout).toContain("command terminated with exit code 28");
  expect(demo.stdout).not.toContain("\u001b[");
  expect((await lab.shieldgate("status")).code).toBe(0);
});

test("a step that does not show what it must is named, and the exit code says so", async () => {
  // a kubectl that lands xwing whatever the policy says
  const fake = join(scratch, "kubectl");
  writeFileSync(
    fake,
    `#!/bin/sh\ncase "$*" in *"exec xwing"*) echo "Ship landed"; exit 0;; esac\nexec /usr/bin/env PATH="$(echo "$PATH" | sed "s#${scratch}:##")" kubectl "$@"\n`,
  );
  chmodSync(fake, 0o755);
  const misled = new TestLab(name);
  misled.prependPath(scratch);
  const demo = await misled.shieldgate("demo");
  expect(demo.code).toBe(1);
  expect(demo.stdout).toMatch(/✗ exit code 0, expected 28/);
  expect(demo.stdout).toContain("The story went wrong");
});
