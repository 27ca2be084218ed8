import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const ORDER = ["/src/", "/conformance/", "/property/"];
const rank = ({ moduleId }: TestSpecification) => ORDER.findIndex((part) => moduleId.includes(part));

/** The quick tests first, for most mutants die in them. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

/** The tests that mutants of the policy engine are shown to. */
export default defineConfig({
  test: {
    include: [
      "src/policy/**/*.test.ts",
      "src/model/*.test.ts",
      "test/conformance/conformance.test.ts",
      "test/property/policy*.test.ts",
    ],
    // It asks the generator of scenarios, not the engine; the naive oracle takes the engine's parser to do so, slowly.
    exclude: ["test/property/policy-scenarios.test.ts"],
    setupFiles: ["test/mutation/quick-property.ts"],
    sequence: { sequencer: QuickFirst },
    fileParallelism: false,
    isolate: false,
    // every line counts its runs, at a low priority
    testTimeout: 120_000,
  },
});
