import type { TestLab } from "../test/support/lab.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 5;
const MEMORY_TARGET_MB = 500;

/** `up` from nothing to ready, and the Star Wars app from `apply` to every pod Ready, as a person's clock sees them. */
export async function measureStart(lab: TestLab): Promise<Row[]> {
  const ups: number[] = [];
  const apps: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await lab.down();
    const beforeUp = performance.now();
    await lab.up();
    ups.push((performance.now() - beforeUp) / 1000);
    const beforeApply = performance.now();
    await lab.ok("kubectl apply -f http-sw-app.yaml");
    await lab.ok("kubectl rollout status deployment/deathstar --timeout=30s");
    await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
    apps.push((performance.now() - beforeApply) / 1000);
  }
  return [
    { what: "up to ready", ours: `${median(ups).toFixed(2)} s`, target: "3 s", reached: median(ups) <= 3, raw: ups },
    {
      what: "Star Wars apply to Ready",
      ours: `${median(apps).toFixed(2)} s`,
      target: "5 s",
      reached: median(apps) <= 5,
      raw: apps,
    },
  ];
}

/** PSS of every process of the lab, its pods included, with the app and its L7 policy in force. */
export async function measureMemory(lab: TestLab): Promise<Row[]> {
  await lab.ok("kubectl apply -f sw_l3_l4_l7_policy.yaml");
  await lab.ok("kubectl exec tiefighter -- curl -s -XPOST deathstar.default.svc.cluster.local/v1/request-landing");
  const megabytes = (await lab.status()).memoryPssBytes / 1e6;
  await lab.ok("kubectl delete cnp rule1");
  return [
    {
      what: "memory of the lab with Star Wars (PSS)",
      ours: `${megabytes.toFixed(0)} MB`,
      target: `${MEMORY_TARGET_MB} MB`,
      reached: megabytes < MEMORY_TARGET_MB,
      raw: megabytes,
    },
  ];
}
