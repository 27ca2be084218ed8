import { defineConfig } from "vitest/config";

/**
 * `unit` runs anywhere and in parallel, and so does `oracle`, where upstream's programs are; `machine` needs root and the
 * kernel, one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          testTimeout: 30_000,
          include: ["src/**/*.test.ts", "test/{conformance,l7,property,simulation,canary,golden,fuzz}/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "oracle",
          include: ["test/differential/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "machine",
          include: ["test/{kernel,compat,docs}/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
