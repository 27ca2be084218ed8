/** What a pod may say of its containers' lives: sidecars, hooks, deadlines. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KubeObject, Pods } from "../../src/kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../../src/kube/object.ts";
import { KubeletLab } from "./kubelet-lab.ts";
import { podObject } from "./kubelet-pods.ts";

const lab = new KubeletLab();
beforeAll(() => lab.start());
afterAll(() => lab.stop());

const shared = { volumes: [{ name: "v", emptyDir: {} }] };
const volumeMounts = [{ name: "v", mountPath: "/v" }];
const shell = (name: string, script: string, rest: Fields = {}): Fields => ({
  ...{ name, image: "busybox", volumeMounts, command: ["sh", "-c", script] },
  ...rest,
});

async function create(name: string, spec: Fields): Promise<void> {
  await lab.client.create(Pods, podObject(name, { ...shared, ...spec }) as KubeObject);
}

async function until(name: string, done: (status: Fields) => boolean): Promise<Fields> {
  let seen: Fields = {};
  await lab.until(async () => {
    seen = fieldsOf((await lab.client.get(Pods, name, "default"))["status"]);
    return done(seen);
  }, 10_000);
  return seen;
}

const logs = async (pod: string, container: string) => (await lab.kubectl(["logs", pod, "-c", container])).stdout;

test("a sidecar is up before what comes after it, and ends when the pod's own containers have", async () => {
  const startupProbe = { exec: { command: ["test", "-f", "/v/up"] }, periodSeconds: 1 };
  const sidecar = shell("side", "sleep 0.3; touch /v/up; exec sleep infinity", {
    restartPolicy: "Always",
    startupProbe,
  });
  await create("side", {
    restartPolicy: "Never",
    initContainers: [sidecar, shell("init", "ls /v")],
    containers: [shell("c", "echo own")],
  });
  const status = await until("side", ({ phase }) => phase === "Succeeded");
  expect(await logs("side", "init")).toBe("up\n");
  expect(await logs("side", "c")).toBe("own\n");
  const [side] = listOf(status["initContainerStatuses"]).map(fieldsOf);
  expect(fieldsOf(side!["state"])).toHaveProperty("terminated");
});

test("hooks run when a container has started and before it is stopped; one that fails ends it", async () => {
  const lifecycle = {
    postStart: { exec: { command: ["sh", "-c", "echo started >> /v/told"] } },
    preStop: { exec: { command: ["sh", "-c", "echo stopping >> /v/told"] } },
  };
  const teller = shell("c", "trap 'cat /v/told; exit 0' TERM; while :; do sleep 0.05; done", { lifecycle });
  await create("hooks", { containers: [teller] });
  await until("hooks", ({ phase }) => phase === "Running");
  const following = lab.kubectl(["logs", "hooks", "-f"]);
  await lab.kubectl(["delete", "pod", "hooks"]);
  expect((await following).stdout).toBe("started\nstopping\n");
  const postStart = { exec: { command: ["false"] } };
  await create("refused", { containers: [shell("c", "exec sleep infinity", { lifecycle: { postStart } })] });
  await until("refused", (status) => Number(fieldsOf(listOf(status["containerStatuses"])[0])["restartCount"]) > 0);
});

test("a pod that is active beyond its deadline has failed", async () => {
  await create("late", { activeDeadlineSeconds: 1, containers: [shell("c", "exec sleep infinity")] });
  expect(await until("late", ({ phase }) => phase === "Failed")).toMatchObject({ reason: "DeadlineExceeded" });
});

test("what has no effect is told by an event, once, also when another kubelet takes the pod over", async () => {
  const ports = [{ containerPort: 80, hostPort: 80 }];
  await create("habits", { securityContext: { fsGroup: 2000 }, containers: [shell("c", "exec sleep 600", { ports })] });
  await until("habits", ({ phase }) => phase === "Running");
  await lab.stopKubelet();
  await lab.startKubelet();
  await lab.until(async () => (await lab.kubectl(["exec", "habits", "--", "true"])).code === 0);
  await lab.kubectl(["delete", "pod", "habits", "--now"]);
  const events = async () => (await lab.kubectl(["get", "events", "--sort-by=.metadata.creationTimestamp"])).stdout;
  // told after everything else
  await lab.until(async () => /Killing.*pod\/habits/.test(await events()));
  const [said, ...more] = (await events()).split("\n").filter((line) => line.includes("WithoutEffect"));
  for (const field of ["spec.securityContext.fsGroup", "spec.containers[0].ports[0].hostPort"])
    expect(said).toContain(`${field}: has no effect here: `);
  expect(more).toEqual([]);
});
