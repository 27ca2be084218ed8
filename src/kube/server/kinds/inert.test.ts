import { afterAll, beforeAll, expect, it } from "vitest";
import { ApiConnection } from "../../../../test/support/api-exchange.ts";
import { fieldsOf } from "../../object.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { inertKinds } from "./inert.ts";

let server: TestServer;
let admin: ApiConnection;
beforeAll(async () => {
  server = await startTestServer();
  const { authority } = server.server;
  admin = new ApiConnection(server.url, {
    ca: authority.ca,
    ...authority.client("admin", "admin", ["system:masters"]),
  });
});
afterAll(async () => {
  admin.close();
  await server.close();
});

const SPECS: Readonly<Record<string, object>> = {
  HorizontalPodAutoscaler: { spec: { maxReplicas: 2, scaleTargetRef: { kind: "Deployment", name: "a" } } },
  Ingress: { spec: { defaultBackend: { service: { name: "a", port: { number: 80 } } } } },
  IngressClass: { spec: { controller: "a.example/b" } },
  LimitRange: { spec: { limits: [{ type: "Container", default: { cpu: "1" } }] } },
  PersistentVolumeClaim: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
  PodDisruptionBudget: { spec: { minAvailable: 1, selector: {} } },
  PriorityClass: { value: 3 },
  ResourceQuota: { spec: { hard: { pods: "1" } } },
};

it.each(inertKinds.map((kind) => [kind.kind, kind] as const))("%s is kept, with a warning", async (name, kind) => {
  const root = kind.group === "" ? "/api/v1" : `/apis/${kind.group}/${kind.version}`;
  const path = `${root}${kind.namespaced ? "/namespaces/default" : ""}/${kind.resource}`;
  const body = { metadata: { name: "one" }, ...SPECS[name] };
  const made = await admin.ask({ method: "POST", path, body });
  expect(made).toMatchObject({
    code: 201,
    warnings: [expect.stringMatching(`^${name} has no effect in this lab: `)],
  });
  expect((await admin.ask({ method: "GET", path: `${path}/one` })).warnings).toEqual([]);
});

it("a claim of storage waits, whatever its writer says of it", async () => {
  const path = "/api/v1/namespaces/default/persistentvolumeclaims";
  const body = { metadata: { name: "two" }, ...SPECS["PersistentVolumeClaim"], status: { phase: "Bound" } };
  const made = await admin.ask({ method: "POST", path, body });
  expect(JSON.parse(made.text)).toMatchObject({ spec: { volumeMode: "Filesystem" }, status: { phase: "Pending" } });
});

it("a pod has the number of its class, and of the one for all where it names none", async () => {
  const classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
  const never = { metadata: { name: "never" }, value: 7, preemptionPolicy: "Never" };
  await admin.ask({ method: "POST", path: classes, body: never });
  const priorityOf = async (spec: object): Promise<unknown> => {
    const body = { metadata: { name: "a" }, spec: { containers: [{ name: "c", image: "nginx" }], ...spec } };
    const made = await admin.ask({ method: "POST", path: "/api/v1/namespaces/default/pods?dryRun=All", body });
    const { priority, priorityClassName, preemptionPolicy } = fieldsOf(fieldsOf(JSON.parse(made.text)).spec);
    return made.code === 201 ? [priority, priorityClassName, preemptionPolicy] : made.code;
  };
  expect(await priorityOf({ priorityClassName: "never" })).toEqual([7, "never", "Never"]);
  expect(await priorityOf({ priorityClassName: "none" })).toBe(403);
  expect(await priorityOf({})).toEqual([0, undefined, "PreemptLowerPriority"]);
  const forAll = (name: string, value: number) =>
    admin.ask({ method: "POST", path: classes, body: { metadata: { name }, value, globalDefault: true } });
  expect([(await forAll("all", 5)).code, (await forAll("more", 9)).code]).toEqual([201, 403]);
  expect(await priorityOf({})).toEqual([5, "all", "PreemptLowerPriority"]);
});
