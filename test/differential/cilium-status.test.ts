import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { healthText } from "../../src/cli/cilium/health-text.ts";
import { briefText, statusText } from "../../src/cli/cilium/status-text.ts";
import { alignTabs } from "../../src/cli/cobra/tabs.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { samplePath as path, sampleReport, sampleStatus, task } from "../support/status-sample.ts";

const built = oracle("status");
const why = skipNote(built);

/** What upstream's code prints for one question. */
function upstream(question: object): string {
  if ("missing" in built) throw new Error(built.missing);
  return JSON.parse(execFileSync(built.path, { input: `${JSON.stringify(question)}\n`, encoding: "utf8" })) as string;
}

const well = sampleReport({ "k8s-w1": [[path("192.168.10.101")], [path("172.20.1.2")]] });
const mixed = sampleReport({
  "k8s-w2": [[path("192.168.10.102"), path("fd00::102")], [path("172.20.2.2", "Connection timed out")]],
  "k8s-w1": [[path("192.168.10.101")], [path("172.20.1.2")]],
  "k8s-w3": [[path("192.168.10.103", undefined, false)], []],
  "a-long-name-of-a-node": [[path("192.168.10.104", "no route to host")], [path("172.20.4.2")]],
});
const crowd = sampleReport({
  "k8s-w1": [[path("192.168.10.101")], [path("172.20.1.2")]],
  ...Object.fromEntries(
    Array.from({ length: 14 }, (_, i) => [`n${i}`, [[path(`10.0.0.${i}`, "down")], [path(`10.1.0.${i}`)]]] as const),
  ),
});

describe.skipIf("missing" in built)(`cilium status prints what upstream's command prints${why}`, () => {
  const now = Date.now();
  const redirects = [
    { name: "871:ingress:TCP:80:", proxy: "http", "proxy-port": 10_003 },
    { name: "12:egress:UDP:53:", proxy: "dns", "proxy-port": 10_000 },
  ];
  const failing = new Map([
    ["ciliumnode", task(now, "connect ECONNREFUSED")],
    ["tables of the kernel", task(now, "no space left on device", 3_700_500)],
    ["cilium-health-ep", task(now, "")],
  ]);
  const cases = {
    "well, IPv4": [sampleStatus(now), well],
    "well, both families, native": [sampleStatus(now, {}, true), mixed],
    "redirects and lost events": [sampleStatus(now, { redirects, lostEvents: 7 }), mixed],
    "a history of flows that stands still": [
      sampleStatus(now, { historyFailure: "ENOSPC; 7 flows were not kept" }),
      well,
    ],
    "failing controllers": [sampleStatus(now, { tasks: failing }), crowd],
    "no API server, no proxy": [
      sampleStatus(now, {
        isProxyConnected: false,
        observer: undefined,
        kubernetesVersion: async () => Promise.reject(new Error("connect ECONNREFUSED 192.168.10.100:6443")),
      }),
      well,
    ],
  } as const;
  for (const [name, [answer, health]] of Object.entries(cases)) {
    for (const verbose of [false, true]) {
      it(`${name}${verbose ? ", verbose" : ""}`, async () => {
        const status = await answer;
        const details = { addresses: verbose, controllers: verbose, redirects: verbose, features: verbose };
        const oursAt = (at: number) =>
          alignTabs(
            statusText(status, { ...details, now: at }) +
              healthText(health, { allNodes: verbose, verbose, maxLines: verbose ? 0 : 10 }),
            { minWidth: 2, padding: 3 },
          );
        const asked = Date.now();
        // upstream's command takes load balancers to go with node ports; here there are none
        const theirs = upstream({ status, health, verbose }).replace(/(LoadBalancer: +)Enabled/, "$1Disabled");
        const answered = Date.now();
        // ages are counted from the moment upstream's command looks, which lies between the question and its answer
        let ours = oursAt(asked);
        for (let at = asked; ours !== theirs && at < answered; ) {
          at = Math.min(at + 50, answered);
          ours = oursAt(at);
        }
        expect(ours).toBe(theirs);
      });
    }
    it(`${name}, brief`, async () => {
      const status = await answer;
      expect(briefText(status)).toBe(upstream({ status, health, brief: true }));
    });
  }
});
