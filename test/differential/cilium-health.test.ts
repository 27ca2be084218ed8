import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveHealthApi } from "../../src/health/api-server.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { samplePath as path, sampleReport } from "../support/status-sample.ts";

const built = oracle("cilium-health");
const why = skipNote(built);
const OURS = fileURLToPath(new URL("../../src/cli/cilium-health.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "sgt-h-health-"));
const socket = join(directory, "health.sock");

const report = sampleReport({
  "k8s-w2": [[path("192.168.10.102"), path("fd00::102")], [path("172.20.2.2", "Connection timed out")]],
  "k8s-w1": [
    [path("192.168.10.101"), path("fd00::101")],
    [path("172.20.1.2"), path("fd00:1::2")],
  ],
  "k8s-w3": [[path("192.168.10.103", undefined, false)], [path("172.20.3.2")]],
});
let probes = 0;
let api: { close(): void };
beforeAll(async () => {
  const probeAll = async () => {
    probes++;
    return report;
  };
  api = await serveHealthApi(socket, { report: () => report, probeAll });
});
afterAll(() => {
  api.close();
  rmSync(directory, { recursive: true });
});

async function run(program: string, args: readonly string[]): Promise<readonly [code: number | null, out: string]> {
  const child = spawn(program, args, {
    env: { ...process.env, CILIUM_HEALTH_SOCK: socket },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const out = await text(child.stdout);
  return [await ended, out];
}

describe.skipIf("missing" in built)(
  `the real cilium-health reads our API, and ours prints what it prints${why}`,
  () => {
    const theirs = "missing" in built ? "" : built.path;
    for (const args of [["status"], ["status", "--verbose"], ["status", "--probe"], ["ping"]]) {
      it(args.join(" "), async () => {
        const before = probes;
        const expected = await run(theirs, args);
        expect(expected[0]).toBe(0);
        expect(await run(process.execPath, [OURS, ...args])).toEqual(expected);
        expect(probes - before).toBe(args.includes("--probe") ? 2 : 0);
      });
    }

    it("status -o json: nothing is lost on the way through its model", async () => {
      const [, out] = await run(theirs, ["status", "-o", "json"]);
      const [, ours] = await run(process.execPath, [OURS, "status", "-o", "json"]);
      expect(JSON.parse(ours)).toEqual(report);
      expect(JSON.parse(out)).toEqual(report);
    });
  },
);
