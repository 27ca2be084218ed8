/** A pod's life on a real node: network, containers, probes, restarts, refusals, adoption, and nothing left behind. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ConfigMaps, type KubeObject, Pods, Secrets } from "../../src/kube/client/index.ts";
import { KubeletLab, NODE } from "./kubelet-lab.ts";
import { podObject } from "./kubelet-pods.ts";

const lab = new KubeletLab();
beforeAll(() => lab.start());
afterAll(() => lab.stop());

interface Status {
  readonly phase?: string;
  readonly podIP?: string;
  readonly conditions?: readonly { type: string; status: string }[];
  readonly containerStatuses?: readonly {
    ready: boolean;
    restartCount: number;
    state: {
      waiting?: { reason: string; message?: string };
      terminated?: { exitCode: number; reason: string };
      running?: object;
    };
    lastState: { terminated?: { exitCode: number } };
  }[];
}

async function create(name: string, spec: object = {}): Promise<void> {
  await lab.client.create(Pods, podObject(name, spec) as KubeObject);
}

async function status(name: string): Promise<Status> {
  return ((await lab.client.get(Pods, name, "default"))["status"] ?? {}) as Status;
}

async function until(name: string, done: (status: Status) => boolean, timeoutMs = 10_000): Promise<Status> {
  let seen: Status = {};
  await lab
    .until(async () => {
      seen = await status(name);
      return done(seen);
    }, timeoutMs)
    .catch(() => {
      throw new Error(`pod ${name} stays at ${JSON.stringify(seen)}; ${lab.logs.join("; ")}`);
    });
  return seen;
}

const isReady = (seen: Status): boolean =>
  seen.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
const waitingReason = (seen: Status): string | undefined => seen.containerStatuses?.[0]?.state.waiting?.reason;

async function events(name: string): Promise<string> {
  return (
    await lab.kubectl([
      "get",
      "events",
      "--field-selector",
      `involvedObject.name=${name}`,
      "-o",
      "custom-columns=R:.reason,M:.message",
    ])
  ).stdout;
}

function nodeLinks(): string {
  return execFileSync("ip", ["-n", NODE, "-br", "link"]).toString();
}

test("a pod is Ready, has its address, and its processes and interface go with it", async () => {
  await create("simple");
  const seen = await until("simple", isReady);
  expect(seen.podIP).toMatch(/^172\.21\.0\.\d+$/);
  const ran = await lab.kubectl([
    "exec",
    "simple",
    "--",
    "sh",
    "-c",
    "hostname; grep $(hostname) /etc/hosts; cat /etc/resolv.conf; ip -br addr show eth0",
  ]);
  expect(ran.stdout).toContain(
    `simple\n${seen.podIP}\tsimple\nsearch default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n`,
  );
  expect(ran.stdout).toMatch(new RegExp(`eth0@if\\d+\\s+UP\\s+${seen.podIP}/32`));
  const links = nodeLinks();
  expect(links).toMatch(/lxc[0-9a-f]{12}/);
  await lab.kubectl(["delete", "pod", "simple"]);
  await lab.until(() => lab.agent.endpoints.size === 0 && lab.agent.addresses.size === 0);
  expect(nodeLinks()).not.toMatch(/lxc/);
  expect(readdirSync(join(lab.directory, "pods")).sort()).toEqual(["seccomp.bpf", "stage"]);
});

test("the node is registered, Ready, with its labels, podCIDR and kubelet port", async () => {
  const ran = await lab.kubectl(["get", "nodes", "-o", "json"]);
  const [node] = (
    JSON.parse(ran.stdout) as {
      items: { metadata: { labels: Record<string, string> }; spec: object; status: Record<string, unknown> }[];
    }
  ).items;
  expect(node!.metadata.labels).toMatchObject({ "kubernetes.io/os": "linux", "kubernetes.io/hostname": "node-1" });
  expect(node!.spec).toMatchObject({ podCIDR: "172.21.0.0/24" });
  expect(node!.status).toMatchObject({ daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } });
  expect((await lab.kubectl(["get", "nodes"])).stdout).toMatch(/node-1\s+Ready\s+<none>\s+\S+\s+v1\.34\.0\+shieldgate/);
});

test("configuration, secrets, files and facts reach the container", async () => {
  await lab.client.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings", namespace: "default" },
    data: { color: "blue", "file.txt": "text of the file" },
  } as KubeObject);
  await lab.client.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys", namespace: "default" },
    data: { key: Buffer.from("hidden").toString("base64") },
  } as KubeObject);
  const show =
    'echo "$COLOR $KEY $NAME $IP $BOTH $KUBERNETES_SERVICE_HOST"; cat /settings/file.txt /keys/key; echo; cat /shared/from-init; echo written > /shared/mine; cat /about/labels; id -u; touch /etc/no 2>&1';
  await create("configured", {
    restartPolicy: "Never",
    initContainers: [
      {
        name: "first",
        image: "busybox",
        command: ["sh", "-c", "echo init was here > /shared/from-init"],
        volumeMounts: [{ name: "shared", mountPath: "/shared" }],
      },
    ],
    containers: [
      {
        name: "c",
        image: "busybox",
        command: ["sh", "-c", show],
        securityContext: { runAsUser: 1000, runAsNonRoot: true, readOnlyRootFilesystem: true },
        env: [
          { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
          { name: "KEY", valueFrom: { secretKeyRef: { name: "keys", key: "key" } } },
          { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
          { name: "BOTH", value: "$(COLOR)-$(NAME)-$$(KEY)-$(UNKNOWN)" },
        ],
        volumeMounts: [
          { name: "settings", mountPath: "/settings" },
          { name: "keys", mountPath: "/keys" },
          { name: "shared", mountPath: "/shared" },
          { name: "about", mountPath: "/about" },
        ],
      },
    ],
    volumes: [
      { name: "settings", configMap: { name: "settings" } },
      { name: "keys", secret: { secretName: "keys" } },
      { name: "shared", emptyDir: {} },
      { name: "about", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
    ],
  });
  await until("configured", (seen) => seen.phase === "Succeeded" || seen.phase === "Failed");
  const log = (await lab.kubectl(["logs", "configured"])).stdout;
  expect(log).toMatch(/^blue hidden configured 172\.21\.0\.\d+ blue-configured-\$\(KEY\)-\$\(UNKNOWN\) 10\.96\.0\.1\n/);
  expect(log).toContain('text of the filehidden\ninit was here\napp="configured"');
  expect(log).toMatch(/1000\n.*Read-only file system/);
});

test("a missing ConfigMap is named, and the pod goes on when it comes", async () => {
  await create("waiting", {
    containers: [
      { name: "c", image: "busybox", command: ["sleep", "60"], envFrom: [{ configMapRef: { name: "late" } }] },
    ],
  });
  const seen = await until("waiting", (now) => waitingReason(now) === "CreateContainerConfigError");
  expect(seen.containerStatuses?.[0]?.state.waiting?.message).toBe('configmap "late" not found');
  await lab.client.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "late", namespace: "default" },
    data: { a: "b" },
  } as KubeObject);
  await until("waiting", isReady);
});

test("an unknown image and an invalid name wait with Kubernetes' reasons, and say what exists", async () => {
  await create("unknown-image", { containers: [{ name: "c", image: "redis:7" }] });
  await create("invalid-image", { containers: [{ name: "c", image: "Not An Image" }] });
  await until("unknown-image", (seen) => waitingReason(seen) === "ErrImagePull");
  await until("unknown-image", (seen) => waitingReason(seen) === "ImagePullBackOff");
  await until("invalid-image", (seen) => waitingReason(seen) === "InvalidImageName");
  expect(await events("unknown-image")).toMatch(/Failed\s+Failed to pull image "redis:7": .*shieldgate images/);
});

test("what the sandbox cannot honour is refused by field and mend, and nothing runs", async () => {
  await create("privileged", {
    hostNetwork: true,
    containers: [{ name: "c", image: "busybox", securityContext: { privileged: true } }],
    volumes: [{ name: "host", hostPath: { path: "/etc" } }],
  });
  const seen = await until("privileged", (now) => waitingReason(now) === "CreateContainerConfigError");
  const text = seen.containerStatuses![0]!.state.waiting!.message!;
  for (const field of ["spec.hostNetwork", "spec.containers[0].securityContext.privileged", "spec.volumes[0].hostPath"])
    expect(text).toContain(`${field} is not supported: `);
  const told = async () => expect(await events("privileged")).toContain("spec.hostNetwork is not supported");
  await vi.waitFor(told, 15_000);
  expect(
    existsSync(join(lab.directory, "pods", (await lab.client.get(Pods, "privileged", "default")).metadata.uid!)),
  ).toBe(false);
  expect((await lab.kubectl(["delete", "pod", "privileged"])).code).toBe(0);
});

test("a failing container is started again: at once, then after 10 seconds", async () => {
  await create("crash", { containers: [{ name: "c", image: "busybox", command: ["sh", "-c", "echo run; exit 7"] }] });
  const seen = await until("crash", (now) => waitingReason(now) === "CrashLoopBackOff");
  expect(seen.containerStatuses?.[0]).toMatchObject({
    restartCount: 1,
    ready: false,
    lastState: { terminated: { exitCode: 7 } },
  });
  expect(seen.containerStatuses?.[0]?.state.waiting?.message).toMatch(
    /^back-off 10s restarting failed container=c pod=crash_default\(/,
  );
  expect(seen.phase).toBe("Running");
  expect((await lab.kubectl(["logs", "--previous", "crash"])).stdout).toBe("run\n");
  const again = await until("crash", (now) => now.containerStatuses?.[0]?.restartCount === 2, 15_000);
  expect(again.phase).toBe("Running");
  await until(
    "crash",
    (now) => now.containerStatuses?.[0]?.state.waiting?.message?.startsWith("back-off 20s") ?? false,
  );
}, 40_000);

const WEB = `use IO::Socket::INET; sleep 0.2; my $s = IO::Socket::INET->new(LocalPort=>8080, Listen=>9, ReuseAddr=>1) or die;
while (my $c = $s->accept) { while (<$c>) { last if /^\\r?$/ } my $code = (-e "/tmp/sick") ? 500 : 200; print $c "HTTP/1.1 $code X\\r\\nContent-Length: 0\\r\\n\\r\\n"; close $c }`;

test("readiness follows the probes, and a liveness probe restarts", async () => {
  const container = (name: string, probes: object) => ({
    name,
    image: "debian",
    command: ["perl", "-e", WEB],
    ports: [{ name: "http", containerPort: 8080 }],
    ...probes,
  });
  await create("probed", {
    containers: [
      container("c", {
        readinessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 1, failureThreshold: 1 },
      }),
    ],
  });
  await create("tcp-probed", {
    containers: [
      container("c", {
        startupProbe: { tcpSocket: { port: 8080 } },
        readinessProbe: { exec: { command: ["test", "!", "-e", "/tmp/sick"] }, periodSeconds: 1 },
      }),
    ],
  });
  await create("nobody-listens", {
    containers: [
      { name: "c", image: "busybox", command: ["sleep", "60"], readinessProbe: { tcpSocket: { port: 81 } } },
    ],
  });
  await create("alive", {
    containers: [
      container("c", {
        livenessProbe: {
          httpGet: { path: "/", port: 8080 },
          periodSeconds: 1,
          failureThreshold: 2,
          initialDelaySeconds: 1,
        },
      }),
    ],
  });
  await Promise.all(["probed", "tcp-probed"].map((name) => until(name, isReady, 3_000)));
  expect(isReady(await status("nobody-listens"))).toBe(false);
  await lab.kubectl(["exec", "probed", "--", "touch", "/tmp/sick"]);
  await until("probed", (seen) => !isReady(seen), 4_000);
  await vi.waitFor(
    async () =>
      expect(await events("probed")).toContain("Readiness probe failed: HTTP probe failed with statuscode: 500"),
    2000,
  );
  await lab.kubectl(["exec", "probed", "--", "rm", "/tmp/sick"]);
  await until("probed", isReady, 4_000);
  await lab.kubectl(["exec", "alive", "--", "touch", "/tmp/sick"]);
  const restarted = await until("alive", (seen) => seen.containerStatuses?.[0]?.restartCount === 1);
  expect(restarted.phase).toBe("Running");
  await vi.waitFor(
    async () => expect(await events("alive")).toContain("Container c failed liveness probe, will be restarted"),
    2000,
  );
}, 30_000);

test("two containers of a pod share its network and not its files", async () => {
  const web = { name: "web", image: "debian", command: ["perl", "-e", WEB] };
  await create("pair", { containers: [web, { name: "side", image: "quay.io/cilium/json-mock" }] });
  await until("pair", isReady);
  await lab.kubectl(["exec", "pair", "-c", "web", "--", "touch", "/tmp/of-web"]);
  const curl = () =>
    lab.kubectl([
      "exec",
      "pair",
      "-c",
      "side",
      "--",
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "http://127.0.0.1:8080/",
    ]);
  await lab.until(async () => (await curl()).stdout === "200");
  expect((await lab.kubectl(["exec", "pair", "-c", "side", "--", "ls", "/tmp"])).stdout).toBe("");
});

test("while the agent is away a pod waits with an event, and starts when it is back", async () => {
  await lab.agent.stop();
  await create("patient");
  await lab.until(async () => (await events("patient")).includes("FailedCreatePodSandBox"));
  expect((await status("patient")).containerStatuses?.[0]?.state.waiting?.reason).toBe("ContainerCreating");
  await lab.agent.start(lab.agentSocket);
  await until("patient", isReady);
});

test("a new kubelet adopts what runs, and learns of what ended meanwhile", async () => {
  await create("keeps-running");
  await create("ends-alone", {
    restartPolicy: "Never",
    containers: [{ name: "c", image: "busybox", command: ["sh", "-c", "sleep 1; exit 9"] }],
  });
  const address = (await until("keeps-running", isReady)).podIP;
  await until("ends-alone", (seen) => seen.phase === "Running");
  const before = await lab.kubectl(["exec", "keeps-running", "--", "sh", "-c", "touch /tmp/mine; echo $$"]);
  await lab.stopKubelet();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await lab.agent.stop();
  await lab.startKubelet();
  const ended = await until("ends-alone", (seen) => seen.phase === "Failed");
  expect(ended.containerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: 9, reason: "Error" });
  expect(before.code).toBe(0);
  expect((await lab.kubectl(["exec", "keeps-running", "--", "ls", "/tmp"])).stdout).toBe("mine\n");
  const kept = await status("keeps-running");
  expect(kept.containerStatuses?.[0]).toMatchObject({ restartCount: 0, ready: true });
  expect(kept.podIP).toBe(address);
  await lab.agent.start(lab.agentSocket);
}, 20_000);

test("a container that ignores SIGTERM is killed after its grace", async () => {
  const stubborn = {
    name: "c",
    image: "bash",
    command: ["bash", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
  };
  await create("stubborn", { terminationGracePeriodSeconds: 1, containers: [stubborn] });
  await until("stubborn", isReady);
  const began = performance.now();
  await lab.kubectl(["delete", "pod", "stubborn"]);
  const took = performance.now() - began;
  expect(took).toBeGreaterThan(900);
  // and not after the grace that pods have otherwise, 30 s
  expect(took).toBeLessThan(20_000);
});

test("the agent's pod shows the supervisor's process, and exec enters its namespaces", async () => {
  const process_ = execFileSync("sh", [
    "-c",
    `ip netns exec ${NODE} unshare --uts sh -c 'hostname of-agent; exec sleep 60' >/dev/null 2>&1 & echo $!`,
  ]);
  const pid = Number(process_.toString());
  try {
    writeFileSync(join(lab.directory, "bin/cilium"), "#!/bin/sh\necho cilium $*; hostname\n", { mode: 0o755 });
    const hostNetwork = { hostNetwork: true, containers: [{ name: "cilium-agent", image: "shieldgate/agent:0.1.0" }] };
    await create("cilium-x", hostNetwork);
    await until("cilium-x", (seen) => waitingReason(seen) === "ContainerCreating");
    writeFileSync(join(lab.directory, "agent.log"), "hello from the agent\n");
    const record = { pid, startedAtMs: Date.now(), restarts: 2, logPath: join(lab.directory, "agent.log") };
    writeFileSync(join(lab.directory, "agent.json"), JSON.stringify(record));
    const seen = await until("cilium-x", isReady);
    expect(seen).toMatchObject({ podIP: "192.168.77.10", containerStatuses: [{ restartCount: 0 }] }); // those before it were another pod's
    writeFileSync(join(lab.directory, "agent.json"), JSON.stringify({ ...record, restarts: 3 }));
    await until("cilium-x", (later) => later.containerStatuses?.[0]?.restartCount === 1);
    const ran = await lab.kubectl(["exec", "cilium-x", "-c", "cilium-agent", "--", "cilium", "endpoint", "list"]);
    expect(ran).toEqual({ code: 0, stdout: "cilium endpoint list\nof-agent\n", stderr: "" });
    expect((await lab.kubectl(["logs", "cilium-x"])).stdout).toBe("hello from the agent\n");
    expect((await lab.kubectl(["logs", "--timestamps", "cilium-x"])).stderr).toContain("have no times");
    expect((await lab.kubectl(["delete", "pod", "cilium-x"])).code).toBe(0);
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  } finally {
    execFileSync("sh", ["-c", `kill -9 ${pid} 2>/dev/null || true`]);
  }
});
