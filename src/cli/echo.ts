/** Main of the images of echo servers: `echo NAME`, where NAME is one that `serveEcho` knows. */
import { serveEcho } from "../programs/echo.ts";

const [name = "", ...words] = process.argv.slice(2);
process.title = name;
process.on("SIGTERM", () => process.exit(0));
try {
  process.stdout.write(`${name} listens on port ${await serveEcho(name, words)}\n`);
} catch (error) {
  process.stderr.write(`${name}: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
