/** A rollout played step by step: the plan is carried out on paper, pods come and go between the steps. */
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import { numberOf, specOf, statusOf } from "../objects.ts";
import { NOW, thing } from "../test-objects.ts";
import { templateHash } from "./hash.ts";
import { planDeployment, REVISION, replicasAnnotations, setAnnotations, sortSets } from "./reconcile.ts";
import { replicasOf, rollingBounds } from "./rollout.ts";
import { deploymentStatus, isComplete } from "./status.ts";

const template = (image: string): Fields => ({
  metadata: { labels: { app: "a" } },
  spec: { containers: [{ name: "a", image }] },
});

function deployment(image: string, spec: Fields = {}): KubeObject {
  const selector = { matchLabels: { app: "a" } };
  return thing("Deployment", "web", { spec: { replicas: 4, selector, template: template(image), ...spec } });
}

/** A world of replica sets whose pods become available at once, or never. */
class World {
  sets: KubeObject[] = [];
  available = true;
  least = Number.POSITIVE_INFINITY;
  most = 0;

  step(wanted: KubeObject): boolean {
    const plan = planDeployment(wanted, sortSets(wanted, this.sets), false);
    if (plan.create)
      this.sets.push({
        ...plan.create,
        metadata: {
          ...plan.create.metadata,
          uid: `uid-${this.sets.length}`,
          creationTimestamp: new Date(NOW + this.sets.length * 1000).toISOString(),
        },
      });
    for (const { set, replicas } of plan.scale) {
      this.sets = this.sets.map((item) => (item === set ? { ...item, spec: { ...specOf(item), replicas } } : item));
    }
    this.sets = this.sets.filter((set) => !plan.remove.includes(set)).map((set) => this.#run(set));
    const ready = this.sets.reduce((sum, set) => sum + numberOf(statusOf(set).availableReplicas), 0);
    this.least = Math.min(this.least, ready);
    this.most = Math.max(
      this.most,
      this.sets.reduce((sum, set) => sum + replicasOf(set), 0),
    );
    return plan.create !== undefined || plan.scale.length > 0 || plan.remove.length > 0;
  }

  #run(set: KubeObject): KubeObject {
    const replicas = replicasOf(set);
    const old = numberOf(statusOf(set).availableReplicas);
    const availableReplicas = this.available ? replicas : Math.min(old, replicas);
    return { ...set, status: { replicas, readyReplicas: availableReplicas, availableReplicas } };
  }

  roll(wanted: KubeObject): void {
    for (let index = 0; index < 50; index++) if (!this.step(wanted)) return;
    throw new Error("the rollout does not come to an end");
  }

  sizes(): Record<string, number> {
    return Object.fromEntries(this.sets.map((set) => [image(set), replicasOf(set)]));
  }
}

function image(set: KubeObject): string {
  const [container] = fieldsOf(fieldsOf(specOf(set).template).spec).containers as Fields[];
  return String(container?.image);
}

test("the first rollout makes one set of full size, with the hash in name, labels and selector", () => {
  const world = new World();
  world.roll(deployment("v1"));
  expect(world.sizes()).toEqual({ v1: 4 });
  const [set] = world.sets;
  const hash = set!.metadata.labels?.["pod-template-hash"];
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{4,10}$/);
  expect(set!.metadata.name).toBe(`web-${hash}`);
  expect(specOf(set!).selector).toEqual({ matchLabels: { app: "a", "pod-template-hash": hash } });
  expect(set!.metadata.annotations?.[REVISION]).toBe("1");
});

describe("rolling update", () => {
  test("keeps enough pods available and not too many at all times", () => {
    const world = new World();
    world.roll(deployment("v1"));
    world.least = 4;
    world.most = 0;
    world.roll(deployment("v2"));
    expect(world.sizes()).toEqual({ v1: 0, v2: 4 });
    expect(world.least).toBeGreaterThanOrEqual(3);
    expect(world.most).toBe(5);
  });

  test("stands still, with the old pods serving, when the new ones do not work", () => {
    const world = new World();
    world.roll(deployment("v1"));
    world.available = false;
    world.roll(deployment("v2"));
    expect(world.sizes()).toEqual({ v1: 3, v2: 2 });
  });

  test("broken old pods go first", () => {
    const world = new World();
    world.available = false;
    world.roll(deployment("v1"));
    world.available = true;
    world.step(deployment("v2"));
    world.step(deployment("v2"));
    expect(world.sizes().v1).toBeLessThan(4);
  });

  test("the template of an older set brings that set back as the newest revision", () => {
    const world = new World();
    for (const version of ["v1", "v2"]) world.roll(deployment(version));
    const back = deployment("v1");
    expect(planDeployment(back, sortSets(back, world.sets), false).revision).toBe(3);
    world.roll(back);
    expect(world.sizes()).toEqual({ v1: 4, v2: 0 });
  });

  test("old sets beyond the history go", () => {
    const world = new World();
    for (const version of ["v1", "v2", "v3", "v4"]) world.roll(deployment(version, { revisionHistoryLimit: 1 }));
    expect(Object.keys(world.sizes())).toHaveLength(2);
  });

  test.each([
    [{ maxSurge: "25%", maxUnavailable: "25%" }, 2, { surge: 1, unavailable: 0 }],
    [{ maxSurge: 0, maxUnavailable: 0 }, 3, { surge: 0, unavailable: 1 }],
    [{ maxSurge: 2, maxUnavailable: "50%" }, 5, { surge: 2, unavailable: 2 }],
  ])("bounds of %o with %i replicas", (rollingUpdate, replicas, bounds) => {
    expect(rollingBounds(deployment("v1", { replicas, strategy: { rollingUpdate } }))).toEqual(bounds);
  });
});

test("Recreate ends the old pods before it starts new ones", () => {
  const world = new World();
  world.roll(deployment("v1"));
  const wanted = deployment("v2", { strategy: { type: "Recreate" } });
  world.step(wanted);
  expect(world.sizes()).toEqual({ v1: 0, v2: 0 });
  expect(planDeployment(wanted, sortSets(wanted, world.sets), true).scale).toEqual([]);
  world.roll(wanted);
  expect(world.sizes()).toEqual({ v1: 0, v2: 4 });
});

test("a paused deployment makes no new set, and shares out a new size", () => {
  const world = new World();
  world.roll(deployment("v1"));
  const paused = deployment("v2", { paused: true });
  expect(planDeployment(paused, sortSets(paused, world.sets), false)).toMatchObject({ create: undefined, scale: [] });
  world.roll(deployment("v1", { paused: true, replicas: 7 }));
  expect(world.sizes()).toEqual({ v1: 7 });
});

test("conditions follow the rollout", () => {
  const world = new World();
  const wanted = deployment("v1", { progressDeadlineSeconds: 600 });
  world.available = false;
  world.step(wanted);
  const say = (object: KubeObject, now = NOW): Fields => deploymentStatus(object, sortSets(object, world.sets), now);
  const reasons = (status: Fields) =>
    (status.conditions as Fields[]).map((condition) => [condition.type, condition.status, condition.reason]);
  const first = say(wanted);
  expect(reasons(first)).toEqual([
    ["Available", "False", "MinimumReplicasUnavailable"],
    ["Progressing", "True", "NewReplicaSetCreated"],
  ]);
  const waiting = { ...wanted, status: first };
  expect(say(waiting, NOW + 1000)).toEqual(first);
  expect(reasons(say(waiting, NOW + 601_000))).toContainEqual(["Progressing", "False", "ProgressDeadlineExceeded"]);
  world.available = true;
  world.step(wanted);
  const done = say(waiting, NOW + 5000);
  expect(isComplete(wanted, done)).toBe(true);
  expect(reasons(done)).toEqual([
    ["Available", "True", "MinimumReplicasAvailable"],
    ["Progressing", "True", "NewReplicaSetAvailable"],
  ]);
  expect(say({ ...wanted, status: done }, NOW + 9000)).toEqual(done);
});

test("equal templates have equal hashes, whatever the order of their keys; collisions make another", () => {
  expect(templateHash({ a: 1, b: { c: null } })).toBe(templateHash({ b: {}, a: 1 }));
  expect(templateHash({ a: 1 })).not.toBe(templateHash({ a: 2 }));
  expect(templateHash({ a: 1 }, 1)).not.toBe(templateHash({ a: 1 }));
});

test("the cause of a change is the newest set's alone", () => {
  const wanted = deployment("nginx");
  wanted.metadata.annotations = { "kubernetes.io/change-cause": "new image" };
  expect(setAnnotations(wanted, 2)).toMatchObject({ "kubernetes.io/change-cause": "new image", [REVISION]: "2" });
  expect(replicasAnnotations(wanted)).toEqual({
    "deployment.kubernetes.io/desired-replicas": "4",
    "deployment.kubernetes.io/max-replicas": "5",
  });
});
