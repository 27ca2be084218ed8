import { Limits } from "../model/limits.ts";
import { selects } from "../model/selector.ts";
import { PolicyConflict } from "../policy/clause.ts";
import { outsideFacts } from "../policy/scenario-policies.ts";
import type { Somebody } from "../policy/scenario-world.ts";
import { rulesFor } from "../policy/stance.ts";
import { partiesOf } from "./answer.ts";
import { type Cluster, clusterOf, handOver } from "./cluster.ts";
import type { Inventory } from "./inventory.ts";
import { changeBetween, type InventoryChange } from "./inventory-change.ts";
import { questionOf, type RanTest, runTest, type TestRun, testRun } from "./run-tests.ts";
import type { ConnectionTest, PolicyTest } from "./test-file.ts";

/** A test that passed, and what its outcome hangs on. */
interface Kept {
  readonly ran: RanTest;
  /** Absent for tests that ask for everybody: they hang on all there is. */
  readonly ends?: TestEnds;
}

interface TestEnds {
  /** Both ends as they were found. */
  readonly text: string;
  readonly names: readonly string[];
  /** Those of them whose policies are asked. */
  readonly subjects: readonly Somebody[];
  /** Namespaces of the ends. */
  readonly namespaces: readonly string[];
  /** How many identities had come and gone when it was run, and how many more may until a map may be too large. */
  readonly at: number;
  readonly room: number;
}

/** More entries of a map than this no statement makes for one identity: a range of ports is at most 30 prefixes. */
const ENTRIES_OF_STATEMENT = 32;

/**
 * Runs tests again and again while manifests change. What a change cannot touch keeps its result, so that the outcome is always that
 * of `runTests`: a test is run again where a policy of one of its ends came, went or differs, where one of its ends looks different
 * or is another now, where it hangs on who is outside and that changed, and where it did not pass (its text names lines).
 */
export class IncrementalTests {
  private inventory: Inventory | undefined;
  private outside: readonly string[] = [];
  private kept = new Map<string, Kept>();
  /** Identities that came, went or changed since the first run. */
  private turnover = 0;

  run(inventory: Inventory, tests: readonly PolicyTest[]): TestRun {
    const isKept = this.follow(inventory);
    const kept = new Map<string, Kept>();
    const ran = tests.map((test): RanTest => {
      const { file: _file, line: _line, ...asked } = test;
      const key = JSON.stringify(asked);
      const known = this.kept.get(key);
      const still = known !== undefined && isKept(test, known);
      const { ran, ends } = still ? known : this.runAnew(inventory, test);
      if (ran.result.outcome === "passed") kept.set(key, { ran, ...(ends === undefined ? {} : { ends }) });
      return { ...ran, result: { ...ran.result, test } };
    });
    this.kept = kept;
    return testRun(inventory, ran);
  }

  /** Goes over to another inventory, and says which outcomes still hold. */
  private follow(inventory: Inventory): (test: PolicyTest, known: Kept) => boolean {
    const before = this.inventory;
    this.inventory = inventory;
    const change = before && changeBetween(before, inventory);
    if (change === undefined) {
      this.outside = outsideFacts(clusterOf(inventory).engine.repository);
      return () => false;
    }
    const { cluster, isWorldSame } = this.worldAfter(before!, inventory, change);
    const isSame = isWorldSame && change.rules.length === 0;
    return (test, { ends }) =>
      isSame ||
      (ends !== undefined && test.kind !== "only" && this.isUntouched(test, ends, change, cluster, isWorldSame));
  }

  private worldAfter(before: Inventory, inventory: Inventory, change: InventoryChange) {
    const { gone, come } = change;
    const last = clusterOf(before);
    if (change.isWorldSame) {
      last.engine.change(gone, come);
      const outside = outsideFacts(last.engine.repository);
      if (outside.join("\n") === this.outside.join("\n"))
        return { cluster: handOver(before, inventory, last), isWorldSame: true };
    }
    const cluster = clusterOf(inventory);
    const outside = outsideFacts(cluster.engine.repository);
    const [was, is] = [new Set(this.outside), new Set(outside)];
    const others =
      outside.filter((fact) => !was.has(fact)).length + this.outside.filter((fact) => !is.has(fact)).length;
    this.turnover += change.pods.size + others;
    this.outside = outside;
    return { cluster, isWorldSame: false };
  }

  private isUntouched(
    test: ConnectionTest,
    ends: TestEnds,
    { rules, pods, areNamespacesAskedAlike }: InventoryChange,
    cluster: Cluster,
    isWorldSame: boolean,
  ): boolean {
    const { subjects, names, namespaces } = ends;
    if (rules.some(({ subject }) => subjects.some(({ labels }) => selects(subject, labels)))) return false;
    const isDeclared = namespaces.every((name) => cluster.inventory.namespaces.has(name));
    if (!isDeclared && !(isWorldSame && areNamespacesAskedAlike)) return false;
    if (isWorldSame) return true;
    if (subjects.length < names.length || names.some((name) => pods.has(name))) return false;
    if (this.turnover - ends.at > ends.room) return false;
    return endsOf(test, cluster)?.text === ends.text;
  }

  private runAnew(inventory: Inventory, test: PolicyTest): Kept {
    const ran = runTest(inventory, test);
    if (ran.result.outcome !== "passed" || test.kind === "only") return { ran };
    const cluster = clusterOf(inventory);
    const found = endsOf(test, cluster);
    if (found === undefined) return { ran };
    return {
      ran,
      ends: { ...found, at: this.turnover, room: Math.min(...found.subjects.map((each) => roomOf(cluster, each))) },
    };
  }
}

/** Undefined = a pod is supposed that nobody described, or somebody is not there any more. */
function endsOf(test: ConnectionTest, cluster: Cluster): Omit<TestEnds, "at" | "room"> | undefined {
  try {
    const { from, to } = partiesOf(cluster, questionOf(test));
    if ([from, to].some(({ supposed }) => supposed.endpoints !== undefined)) return undefined;
    const parties = [...from.parties, ...to.parties];
    const names = [...new Set(parties.map(({ name }) => name))];
    const subjects = names
      .flatMap((name) => cluster.engine.world.find(name) ?? [])
      .filter(({ isEndpoint }) => isEndpoint);
    const namespaces = [...new Set(parties.flatMap(({ namespace }) => namespace ?? []))];
    return { text: JSON.stringify([from, to]), names, subjects, namespaces };
  } catch {
    return undefined;
  }
}

/** How many more identities it can select until its policy may be too large to be enforced. */
function roomOf({ engine }: Cluster, subject: Somebody): number {
  const policy = engine.policyOf(subject);
  if (policy instanceof PolicyConflict) return Infinity;
  const sides = rulesFor(engine.repository, subject).flatMap((rule) => [rule.sides.ingress, rule.sides.egress]);
  const statements = sides.reduce((sum, side) => sum + (side?.statements.length ?? 0), 0);
  return (Limits.PolicyMapEntries - policy.entryCount) / (ENTRIES_OF_STATEMENT * Math.max(statements, 1));
}
