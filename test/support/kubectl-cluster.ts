import { execFile, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTestCluster, type TestCluster } from "../../src/controllers/test-cluster.ts";

/** Whether the real kubectl is here. */
export const hasKubectl = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" }).status === 0;

/** An API server with controllers and a kubelet of paper, and the real kubectl in front of it. */
export class KubectlCluster {
  cluster!: TestCluster;

  async start(): Promise<void> {
    this.cluster = await startTestCluster();
    const { server, url } = this.cluster.server;
    writeFileSync(this.path("config"), server.adminKubeconfig(url));
  }

  /** A file of the cluster's own directory. */
  path(name: string): string {
    return join(this.cluster.server.directory, name);
  }

  /** Writes a manifest of these objects. */
  write(name: string, ...items: readonly object[]): void {
    writeFileSync(this.path(name), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  }

  #words(command: string): string[] {
    return [...command.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) =>
      word.replaceAll("'", "").replaceAll("DIR", this.cluster.server.directory),
    );
  }

  #environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    return { ...process.env, HOME: this.cluster.server.directory, KUBECONFIG: this.path("config"), ...more };
  }

  /** What a command that does not end prints up to `last`; `then` runs when it has printed `first`. */
  follow(command: string, first: RegExp, then: () => Promise<unknown>, last: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn("kubectl", this.#words(command), { env: this.#environment() });
      let text = "";
      let isThen = false;
      child.on("exit", () => resolve(steady(text)));
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (!isThen && first.test(steady(text))) {
          isThen = true;
          then().catch(reject);
        }
        if (isThen && last.test(steady(text))) child.kill();
      });
    });
  }

  /** What one command prints (DIR in it is the directory of `path`), both streams, with the exit code when it is not 0; what differs each time made equal. */
  run(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    return new Promise((resolve) => {
      const home = this.cluster.server.directory;
      const options = { env: this.#environment(env), timeout: 20_000 };
      execFile("kubectl", this.#words(command), options, (error, stdout, stderr) => {
        const end = error ? `exit ${error.code}\n` : "";
        resolve(steady(`${stdout}${stderr}${end}`).replaceAll(home, "DIR"));
      });
    });
  }
}

/** Ages, hashes, times and random ends of names, made equal; columns keep one space between them. */
function steady(text: string): string {
  return text
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "UID")
    .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "TIME")
    .replace(/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000/g, "TIME")
    .replace(/-[0-9bcdf-hj-np-tv-z]{6,10}-[0-9bcdf-hj-np-tv-z]{5}\b/g, "-HASH-ID")
    .replace(/-[0-9bcdf-hj-np-tv-z]{6,10}\b(?=[\s"(,])/g, "-HASH")
    .replace(/=[0-9bcdf-hj-np-tv-z]{6,10}$/gm, "=HASH")
    .replace(/\b172\.20\.1\.\d+/g, "POD-IP")
    .replace(/(?<=\s)\d+s(?=\s)/g, "AGE")
    .replace(/ {2,}/g, "  ")
    .replace(/[ \t]+$/gm, "");
}
