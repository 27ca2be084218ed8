import { defineConfig } from "vitest/config";

const ALONE = ["test/compat/teardown.test.ts"];

/**
 * `unit` runs anywhere and in parallel, and so does `oracle`, where upstream's programs are; `machine` needs root and the
 * kernel: two files at a time, for much of it is waiting; `alone` looks at the whole machine, where nobody else may be.
 * `npm test` runs the first two beside the third. By itself vitest leaves a processor free: one of two.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          maxWorkers: "100%",
          testTimeout: 120_000,
          include: ["src/**/*.test.ts", "test/{conformance,l7,property,simulation,canary,golden,fuzz}/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "oracle",
          maxWorkers: "100%",
          include: ["test/differential/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "machine",
          include: ["test/{kernel,compat,docs}/**/*.test.ts"],
          exclude: ALONE,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "alone",
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
