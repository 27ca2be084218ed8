import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Registry } from "../../metrics/index.ts";
import { ShellError, shellWords } from "./line.ts";
import { serveShell } from "./server.ts";
import { Shell } from "./shell.ts";

function sample(): Shell {
  const registry = new Registry();
  registry
    .counter({ name: "b_total", help: "B", labels: ["y", "x"] })
    .of("1", "2")
    .inc(1.5);
  const times = registry.histogram({ name: "a_seconds", help: "A", buckets: [0.001, 0.01] }).of();
  for (const seconds of [0.0005, 0.0005, 0.002, 5]) times.observe(seconds);
  return new Shell(registry);
}

it("parts a line into words as a script does", () => {
  expect(shellWords("metrics  -f json 'a b''c'd '' # not this")).toEqual(["metrics", "-f", "json", "a b'cd", ""]);
  expect(shellWords("a#b")).toEqual(["a"]);
  expect(() => shellWords("metrics 'open")).toThrow(new ShellError("unterminated quoted argument"));
});

it("lists metrics: labels by name, percentiles of what is spread, what matches name or labels", () => {
  const shell = sample();
  expect(shell.run("metrics b_")).toBe("Metric    Labels    Value\nb_total   x=2 y=1   1.500000\n");
  expect(shell.run("metrics a_")).toContain("750µs / 7.3ms / 9.73ms");
  expect(shell.run("metrics y=1")).toContain("b_total");
  expect(shell.run("metrics -f json nothing")).toBe("null\n");
  expect(() => shell.run("metrics -s")).toThrow("no samples of metrics are kept here");
  expect(() => shell.run("metrics 'a[' b")).toThrow(/^<stdin>:0: metrics a\[: regex: /);
});

it("refuses by name what is not here, and completes names", () => {
  const shell = sample();
  expect(() => shell.run("db/show nodes")).toThrow("db/show is not here: ");
  expect(() => shell.run("toString 'a b'")).toThrow("<stdin>:0: toString 'a b': unknown command");
  expect(shell.run("help -a m")).toBe("metrics\n");
  expect(shell.run("   # nothing")).toBe("");
});

it("answers line by line on its socket, and cuts off who sends no end of one", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-h-shell-"));
  const path = join(directory, "shell.sock");
  const server = await serveShell(path, sample());
  const said = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = connect(path, () => socket.write(text));
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(answer));
    });
  expect(await said("help -a h\nbogus\nexit\nhelp\n")).toBe(
    "help\n<<end>>\n<stdin>:0: bogus: unknown command<<error>>\n",
  );
  expect(await said("x".repeat(70_000))).toBe("");
  server.close();
  rmSync(directory, { recursive: true });
});
