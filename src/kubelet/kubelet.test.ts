import { expect, test } from "vitest";
import { durationText, RestartBackOff } from "./back-off.ts";
import { hostsOf, resolvConfOf } from "./dns-config.ts";
import { expandReferences } from "./environment.ts";
import { fieldRefValue } from "./field-ref.ts";
import { hostProcessOf, type Pod, type PodSpec } from "./pod.ts";
import { type ContainerView, podStatus } from "./pod-status.ts";
import { refusalsOf } from "./support.ts";

function pod(spec: Partial<PodSpec> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "xwing", namespace: "space", uid: "u", labels: { org: "alliance", class: "xwing" } },
    spec: { containers: [{ name: "c", image: "busybox" }], ...spec },
  };
}

test("restart back-off: at once, 10 s, doubled to 5 minutes, forgotten after a long run", () => {
  const backOff = new RestartBackOff();
  expect([1, 2, 3, 4, 5, 6, 7, 8].map(() => backOff.next(0) / 1000)).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
  expect(backOff.next(600_000)).toBe(0);
  expect(new RestartBackOff(2).next(0)).toBe(20_000);
  expect([10_000, 80_000, 300_000].map(durationText)).toEqual(["10s", "1m20s", "5m0s"]);
});

test("references expand once, by Kubernetes' rules", () => {
  const values = new Map([
    ["A", "1"],
    ["B", "$(A)"],
  ]);
  expect(expandReferences("$(A) $$(A) $(B) $(C) $A", values)).toBe("1 $(A) $(A) $(C) $A");
});

test("field references", () => {
  const facts = { podIPs: ["172.20.1.5"], hostIPs: ["192.168.10.101"] };
  expect(fieldRefValue(pod(), facts, "metadata.labels['org']")).toBe("alliance");
  expect(fieldRefValue(pod(), facts, "metadata.labels")).toBe('class="xwing"\norg="alliance"');
  expect(fieldRefValue(pod(), facts, "status.podIP")).toBe("172.20.1.5");
  expect(() => fieldRefValue(pod(), facts, "spec.nothing")).toThrow(/spec\.nothing is unknown: use one of/);
});

test("resolv.conf and hosts", () => {
  const dns = { address: "10.96.0.10", domain: "cluster.local" };
  expect(resolvConfOf(pod(), dns)).toBe(
    "search space.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
  );
  const own = { nameservers: ["1.1.1.1"], searches: ["a.b"], options: [{ name: "ndots", value: "2" }] };
  expect(resolvConfOf(pod({ dnsPolicy: "None", dnsConfig: own }), dns)).toBe(
    "search a.b\nnameserver 1.1.1.1\noptions ndots:2\n",
  );
  expect(
    resolvConfOf(pod({ dnsConfig: { options: [{ name: "ndots", value: "2" }, { name: "rotate" }] } }), dns),
  ).toMatch(/\noptions ndots:2 rotate\n$/);
  const aliases = [{ ip: "1.2.3.4", hostnames: ["a", "b"] }];
  expect(hostsOf(pod({ subdomain: "fleet", hostAliases: aliases }), dns, ["172.20.1.5"])).toContain(
    "172.20.1.5\txwing.fleet.space.svc.cluster.local\txwing\n1.2.3.4\ta\tb\n",
  );
});

test("refusals name the field; what is harmless passes", () => {
  const security = {
    capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
    seccompProfile: { type: "RuntimeDefault" },
  };
  const restricted = {
    name: "c",
    image: "busybox",
    securityContext: { allowPrivilegeEscalation: false, runAsUser: 1, ...security },
    ...{ tty: true, stdin: true, stdinOnce: true },
  };
  expect(refusalsOf(pod({ containers: [restricted], hostNetwork: false, shareProcessNamespace: true }))).toEqual([]);
  const bad = {
    ...{
      name: "c",
      image: "busybox",
      lifecycle: { preStop: { tcpSocket: { port: 1 } } as object },
    },
    securityContext: { capabilities: { add: ["NET_RAW"] }, seccompProfile: { type: "Unconfined" } },
  };
  const fields = refusalsOf(pod({ containers: [bad], hostPID: true, volumes: [{ name: "v", nfs: {} }] })).map(
    (refusal) => refusal.field,
  );
  expect(fields).toEqual([
    "spec.hostPID",
    "spec.volumes[0].nfs",
    "spec.containers[0].securityContext.seccompProfile",
    "spec.containers[0].securityContext.capabilities.add",
    "spec.containers[0].lifecycle.preStop",
  ]);
});

test("only a pod of one container with the lab's own image is a host process", () => {
  const image = (name: string) => ({ name: "c", image: name });
  expect(hostProcessOf(pod({ containers: [image("shieldgate/agent:0.1.0")] }))).toBe("agent");
  expect(hostProcessOf(pod({ containers: [image("docker.io/shieldgate/proxy")] }))).toBe("proxy");
  expect(hostProcessOf(pod({ containers: [image("evil.io/shieldgate/agent")] }))).toBeUndefined();
  expect(hostProcessOf(pod({ containers: [image("shieldgate/agent"), image("busybox")] }))).toBeUndefined();
});

const base = { restarts: 0, ready: false, started: false, container: { name: "c", image: "busybox" } };
const ended = (exitCode: number): ContainerView => ({
  ...base,
  terminated: { exitCode, reason: exitCode === 0 ? "Completed" : "Error", startedAtMs: 0, finishedAtMs: 1000 },
});
const running: ContainerView = { ...base, runningSinceMs: 0, ready: true, started: true };

test("a sidecar that still runs keeps its pod running", () => {
  const sidecar = { ...running, container: { ...running.container, restartPolicy: "Always" } };
  const rest = { podIPs: ["1.2.3.4"], hostIPs: ["5.6.7.8"], startedAtMs: 0, sandboxReady: true };
  const phase = (init: ContainerView) =>
    podStatus(pod({ restartPolicy: "Never" }), { init: [init], containers: [ended(0)], ...rest }, 0).phase;
  expect([phase(sidecar), phase({ ...ended(0), container: sidecar.container })]).toEqual(["Running", "Succeeded"]);
});

test.each([
  ["Always", [{ ...base, waiting: { reason: "ContainerCreating" } }], "Pending"],
  ["Always", [running], "Running"],
  ["Always", [ended(0)], "Running"],
  ["Never", [ended(0)], "Succeeded"],
  ["Never", [ended(0), ended(1)], "Failed"],
  ["Never", [ended(1), running], "Running"],
  ["OnFailure", [ended(1)], "Running"],
  ["OnFailure", [ended(0)], "Succeeded"],
] as const)("restartPolicy %s, %j: phase %s", (restartPolicy, containers, phase) => {
  const view = { init: [], containers, podIPs: ["1.2.3.4"], hostIPs: ["5.6.7.8"], startedAtMs: 0, sandboxReady: true };
  expect(podStatus(pod({ restartPolicy }), view, 0).phase).toBe(phase);
});

test("a condition keeps its time while it stays, and others' conditions are kept", () => {
  const view = {
    init: [],
    containers: [running],
    podIPs: ["1.2.3.4"],
    hostIPs: ["5.6.7.8"],
    startedAtMs: 0,
    sandboxReady: true,
  };
  const conditions = [
    { type: "Ready", status: "True", lastTransitionTime: "2020-01-01T00:00:00Z" },
    { type: "ContainersReady", status: "False", lastTransitionTime: "2020-01-01T00:00:00Z" },
    { type: "example.com/gate", status: "True" },
  ];
  const status = podStatus({ ...pod(), status: { conditions } }, view, 0);
  const seen = new Map((status["conditions"] as typeof conditions).map((condition) => [condition.type, condition]));
  expect(seen.get("Ready")?.lastTransitionTime).toBe("2020-01-01T00:00:00Z");
  expect(seen.get("ContainersReady")).toMatchObject({ status: "True", lastTransitionTime: "1970-01-01T00:00:00Z" });
  expect(seen.get("example.com/gate")).toEqual({ type: "example.com/gate", status: "True" });
});
