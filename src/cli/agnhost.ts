/** Main of image `registry.k8s.io/e2e-test-images/agnhost`. */
import { agnhostCommand } from "../programs/agnhost/agnhost.ts";

process.title = "agnhost";
process.on("SIGTERM", () => process.exit(0));
try {
  const words = process.argv.slice(2);
  await agnhostCommand().parseAsync(words.length === 0 ? ["pause"] : words, { from: "user" });
} catch (error) {
  process.stderr.write(`agnhost: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
