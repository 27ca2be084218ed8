import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const SETUP = { setupFiles: ["test/support/patience.ts"] };
/** Only modules that are loaded after the counter are counted: not those of another test in the same worker. */
const COUNTED = ["test/fuzz/policy-work.test.ts"];
const ALONE = ["test/compat/teardown.test.ts"];
/** Upstream's programs have times of their own in them. */
const TIMED = [
  "test/differential/{client-go,client-hello,http2-corpus,http2-requests,kube-apiserver,l7-corpus,l7-failures,l7-requests}.test.ts",
];

/** More than processors: upstream's programs and timers are waited for, too. */
const WORKERS = Math.ceil(1.5 * availableParallelism());

/**
 * `unit` runs anywhere and in parallel, and so does `oracle`, where upstream's programs are; `machine` needs root, the
 * kernel or its time to itself: three files at a time, for most of it is waiting; `alone` looks at the whole machine, where nobody else may be.
 * `npm test` runs the first two beside the third.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          ...SETUP,
          maxWorkers: WORKERS,
          isolate: false,
          testTimeout: 300_000,
          include: ["src/**/*.test.ts", "test/{conformance,l7,property,simulation,canary,golden,fuzz}/**/*.test.ts"],
          exclude: COUNTED,
        },
      },
      { test: { name: "counted", ...SETUP, include: COUNTED, testTimeout: 300_000 } },
      {
        test: {
          name: "oracle",
          ...SETUP,
          maxWorkers: WORKERS,
          include: ["test/differential/**/*.test.ts"],
          exclude: TIMED,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "machine",
          ...SETUP,
          include: ["test/{kernel,compat,docs}/**/*.test.ts", ...TIMED],
          exclude: ALONE,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "alone",
          ...SETUP,
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
