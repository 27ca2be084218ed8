/** The real kubectl attached to containers' own programs, over both protocols, by pipe and by terminal. */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Pods } from "../../src/kube/client/index.ts";
import { fieldsOf, listOf } from "../../src/kube/object.ts";
import { type Kubectl, kubectls } from "../support/kubectl.ts";
import { KubeletLab } from "./kubelet-lab.ts";
import { podObject } from "./kubelet-pods.ts";

const lab = new KubeletLab();

beforeAll(() => lab.start());
afterAll(() => lab.stop());

function container(script: string, more: object = {}): object {
  return { name: "c", image: "busybox", command: ["sh", "-c", script], ...more };
}

async function started(name: string, one: object, more: object = {}): Promise<void> {
  await lab.apply(podObject(name, { restartPolicy: "Never", containers: [one], ...more }));
  const waited = await lab.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=10s"]);
  expect(waited.stderr).toBe("");
}

const all = kubectls();

describe.each(all)("attach with $label", (using) => {
  const id = all.indexOf(using);
  beforeEach(({ skip }) => skip(using.missing !== undefined, using.missing));

  test("what is said goes in, what is answered comes out, and both are in the log", async () => {
    await started(`pipe-${id}`, container("sha256sum; echo bad >&2; exit 3", { stdin: true, stdinOnce: true }));
    const input = randomBytes(600_000).toString("base64");
    const ran = await lab.kubectl(["attach", "-i", `pipe-${id}`], { using, input });
    expect(ran.stdout).toBe(`${createHash("sha256").update(input).digest("hex")}  -\n`);
    expect(ran.stderr).toContain("bad\n");
    expect((await lab.kubectl(["logs", `pipe-${id}`])).stdout).toContain("  -\n");
  });

  test("run -i --rm gives the program's output and its exit code", async () => {
    const command = ["run", "-i", "--rm", "--quiet", "--restart=Never", `r-${id}`, "--image=busybox", "--"];
    const script = 'while read line; do echo "<$line>"; done; seq 1 100000 | tail -n 1; exit 7';
    const ran = await lab.kubectl([...command, "sh", "-c", script], { using, input: "one\ntwo\n" });
    expect(ran).toMatchObject({ code: 7, stdout: "<one>\n<two>\n100000\n" });
  });

  test("who comes first hears what was said before, the latest of it when it was much", async () => {
    const script = "seq 1 20000; echo hello; read line; echo bye";
    await started(`early-${id}`, container(script, { stdin: true, stdinOnce: true }));
    while ((await lab.kubectl(["logs", "--tail=1", `early-${id}`])).stdout !== "hello\n");
    const { stdout } = await lab.kubectl(["attach", "-i", `early-${id}`], { using, input: "\n" });
    expect(stdout).toMatch(/20000\nhello\nbye\n$/);
    expect(stdout.length).toBeLessThan(1 << 16);
  });

  test("run -it is a terminal of the container: its size, its interrupts, its log", async () => {
    const command = `kubectl run -it --rm --restart=Never t-${id} --image=busybox -- sh`;
    const typed = [
      "tty; until stty size | grep 93; do sleep 0.05; done; echo $((6*7))-ready\n",
      "sh -c 'trap \"echo caught; exit 3\" INT; echo w$((1))iting; while :; do sleep 0.1; done'\n",
      "\x03",
      "exit 5\n",
    ];
    const ran = await typing(command, using, typed, [/enter/, /42-ready\r\n.*# $/s, /w1iting/, /caught\r\n.*# $/s]);
    expect(ran.output).toContain("/dev/pts/0");
    expect(ran.output).toContain("31 93");
    expect(ran.code).toBe(5);
  });
});

/** Types each text when the screen, since the one before, shows what it waits for. */
function typing(
  command: string,
  using: Kubectl | undefined,
  texts: readonly string[],
  prompts: readonly RegExp[],
): Promise<{ output: string; code: number | null }> {
  const child = spawn("script", ["-qec", `stty cols 93 rows 31; ${command}`, "/dev/null"], {
    env: lab.environment(using),
  });
  let output = "";
  let seen = 0;
  let next = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (next >= texts.length || !prompts[next]!.test(output.slice(seen))) return;
    seen = output.length;
    child.stdin.write(texts[next++]!);
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill();
      reject(new Error(`${command} stands at step ${next}:\n${output}`));
    }, 15_000);
    child.once("exit", (code) => {
      clearTimeout(late);
      resolve({ output, code });
    });
  });
}

/** An attached kubectl: what it has printed so far, and all of it once it has ended. */
function watcher(name: string, using?: Kubectl): { printed: () => string; whole: Promise<string> } {
  const child = spawn("kubectl", ["attach", name], { env: lab.environment(using) });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return { printed: () => output, whole: new Promise((resolve) => child.once("close", () => resolve(output))) };
}

test("several see the same, and input that is open to all outlives one who fed it", async () => {
  const ticking = "(while :; do echo tick; sleep 0.1; done) &";
  const script = `${ticking} read line; echo "heard $line"; read line; echo "then $line"; kill $!`;
  await started("many", container(script, { stdin: true }));
  const watchers = [watcher("many"), watcher("many", all.at(-1))];
  await lab.until(() => watchers.every(({ printed }) => printed().includes("tick")));
  for (const input of ["first\n", "second\n"]) await lab.kubectl(["attach", "-i", "many"], { input });
  for (const { whole } of watchers) expect((await whole).replaceAll("tick\n", "")).toBe("heard first\nthen second\n");
  expect((await lab.kubectl(["logs", "many"])).stdout.replaceAll("tick\n", "")).toBe("heard first\nthen second\n");
});

test("a container without input reads its end at once, and has no terminal to give", async () => {
  await started("mute", container("cat; echo nothing said; sleep 30"));
  await lab.until(async () => (await lab.kubectl(["logs", "mute"])).stdout === "nothing said\n");
  const ran = await lab.kubectl(["attach", "-it", "mute", "--pod-running-timeout=1s"], { timeoutMs: 2_000 });
  expect(ran.stderr).toContain("Unable to use a TTY - container c did not allocate one");
});

test("a pod outlives its kubelet with its input, its terminal and its log", async () => {
  const script = 'while read line; do echo "got $line"; done';
  await started("lasting", container(script, { stdin: true, tty: true }));
  await lab.stopKubelet();
  await lab.startKubelet();
  await lab.until(async () => (await lab.kubectl(["logs", "lasting"])).code === 0);
  await typing("kubectl attach -it lasting", undefined, ["after\n", "\x04"], [/enter/, /got after/]);
  expect((await lab.kubectl(["logs", "lasting"])).stdout).toContain("got after");
});

test("who stops listening holds a container only as long as it runs", async () => {
  await started("loud", container("read line; yes", { stdin: true }));
  const child = spawn("kubectl", ["attach", "-i", "loud"], { env: lab.environment() });
  child.stdin.write("go\n");
  await new Promise((resolve) => child.stdout.once("readable", resolve));
  child.kill("SIGSTOP");
  const gone = await lab.kubectl(["delete", "pod", "loud", "--grace-period=1"]);
  child.kill("SIGKILL");
  expect(gone).toMatchObject({ code: 0, stderr: "" });
});

test("kubectl debug looks into a running pod, and sees its target's processes", async () => {
  await started("plain", container("sleep 321"));
  const debug = ["debug", "--attach", "plain", "--quiet", "--image=busybox"];
  const script = "tr '\\0' ' ' < /proc/1/cmdline; grep -lz 321 /proc/[0-9]*/cmdline | wc -l; echo looked";
  const seen = await lab.kubectl([...debug, "--target=c", "-c", "eye", "--", "sh", "-c", `sleep 1; ${script}`]);
  expect(seen.stdout + seen.stderr).toContain("looked");
  expect((await lab.kubectl(["logs", "plain", "-c", "eye"])).stdout).toMatch(/bwrap.*\n?[1-9]\nlooked\n$/);
  const blind = [...debug, "-c", "blind", "--", "sh", "-c", "grep -lz 321 /proc/[0-9]*/cmdline; echo alone; sleep 60"];
  void lab.kubectl(blind, { timeoutMs: 1_500 });
  await lab.until(async () => (await lab.kubectl(["logs", "plain", "-c", "blind"])).stdout.endsWith("alone\n"));
  expect((await lab.kubectl(["logs", "plain", "-c", "blind"])).stdout).not.toContain("sleep");
  const pod = await lab.client.get(Pods, "plain", "default");
  const statuses = listOf(fieldsOf(pod.status).ephemeralContainerStatuses).map(fieldsOf);
  expect(statuses).toMatchObject([
    { name: "eye", state: { terminated: { exitCode: 0 } }, ready: false },
    { name: "blind", state: { running: {} }, ready: false },
  ]);
  expect((await lab.kubectl(["describe", "pod", "plain"])).stdout).toMatch(/Ephemeral Containers:\n {2}eye:/);
  expect((await lab.kubectl(["exec", "plain", "-c", "blind", "--", "echo", "in"])).stdout).toBe("in\n");
});

test("kubectl debug --copy-to makes a pod whose containers see each other", async () => {
  await started("origin", container("sleep 654"));
  const copy = ["debug", "origin", "--copy-to=copied", "--image=busybox", "-c", "eye", "--share-processes"];
  await lab.kubectl([
    ...copy,
    "--",
    "sh",
    "-c",
    "until grep -lz 654 /proc/[0-9]*/cmdline; do sleep 0.1; done; sleep 60",
  ]);
  await lab.until(async () => /proc\/\d+\/cmdline/.test((await lab.kubectl(["logs", "copied", "-c", "eye"])).stdout));
});

test("what an ephemeral container or a node's debugger asks for in vain is said", async () => {
  await lab.kubectl(["debug", "plain", "--image=busybox", "-c", "strong", "--profile=netadmin", "--", "true"]);
  const described = async () => (await lab.kubectl(["describe", "pod", "plain"])).stdout;
  await lab.until(async () => (await described()).includes("NET_ADMIN, NET_RAW cannot be given"));
  const node = await lab.kubectl(["debug", "node/node-1", "--image=busybox", "--", "true"]);
  const [name = ""] = /node-debugger-\S+/.exec(node.stdout + node.stderr) ?? [];
  const pod = ["describe", "pod", name];
  await lab.until(async () => (await lab.kubectl(pod)).stdout.includes("spec.hostNetwork is not supported"));
  expect((await lab.kubectl(pod)).stdout).toContain("takes --profile=baseline");
  const plain = await lab.kubectl([
    ...["debug", "node/node-1", "--profile=baseline", "--image=busybox", "--attach", "--quiet", "--", "sh", "-c"],
    "sleep 2; hostname", // what is said before kubectl has attached is not seen
  ]);
  expect(plain.stdout).toMatch(/^node-debugger-node-1-\w+\n$/);
});
