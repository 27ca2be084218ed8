/** The real kubectl through a real API server to the kubelet: exec over both protocols, logs, port-forward. */
import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { execByJavaScript, forwardByJavaScript, watchByJavaScript } from "../support/javascript-client.ts";
import { kubectls } from "../support/kubectl.ts";
import { KubeletLab } from "./kubelet-lab.ts";
import { podObject } from "./kubelet-pods.ts";

const run = promisify(execFile);
const lab = new KubeletLab();

beforeAll(async () => {
  await lab.start();
  await lab.apply(podObject("shell"));
  await lab.apply(
    podObject("server", { containers: [{ name: "c", image: "debian", command: ["perl", "-e", SERVER] }] }),
  );
  for (const name of ["shell", "server"]) {
    expect((await lab.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=10s"])).stderr).toBe("");
  }
});
afterAll(() => lab.stop());

/** Answers each connection with what it was sent, in capitals. */
const SERVER = `use IO::Socket::INET; $|=1; my $s = IO::Socket::INET->new(LocalPort=>80, Listen=>9, ReuseAddr=>1) or die $!;
while (my $c = $s->accept) { my $line = <$c>; print "asked $line"; print $c uc $line; close $c }`;

describe.each(kubectls())("exec with $label", (using) => {
  beforeEach(({ skip }) => skip(using.missing !== undefined, using.missing));
  const exec = (args: readonly string[], input?: string) =>
    lab.kubectl(["exec", ...args], { using, ...(input === undefined ? {} : { input }) });

  test("output, errors and exit code arrive apart", async () => {
    const ran = await exec(["shell", "--", "sh", "-c", "echo out; echo err >&2; exit 28"]);
    expect(ran).toEqual({ code: 28, stdout: "out\n", stderr: "err\ncommand terminated with exit code 28\n" });
  });

  test("exit code 0 is silent, and a missing program says so", async () => {
    expect(await exec(["shell", "--", "true"])).toEqual({ code: 0, stdout: "", stderr: "" });
    const ran = await exec(["shell", "--", "no-such-program"]);
    expect(ran.code).toBe(127);
    expect(ran.stderr).toContain('exec: "no-such-program": executable file not found in $PATH');
  });

  test("a command that is killed gives 128 + signal", async () => {
    expect((await exec(["shell", "--", "sh", "-c", "kill -9 $$"])).code).toBe(137);
  });

  test("stdin comes whole and ends", async () => {
    const input = randomBytes(1_500_000).toString("base64");
    const ran = await exec(["-i", "shell", "--", "sha256sum"], input);
    expect(ran.stdout).toBe(`${createHash("sha256").update(input).digest("hex")}  -\n`);
  });

  test("no tail of a large output is lost", async () => {
    const ran = await exec(["shell", "--", "seq", "1", "300000"]);
    expect(ran.stdout.endsWith("299999\n300000\n")).toBe(true);
    expect(ran.stdout.length).toBe(1_988_895);
  });

  test("stdin and output at the same time do not wait for each other", async () => {
    const input = "x".repeat(79).concat("\n").repeat(20_000);
    expect((await exec(["-i", "shell", "--", "cat"], input)).stdout).toBe(input);
  });

  test("a terminal has its size, and interrupts", async () => {
    const command =
      "kubectl exec -it shell -- sh -c 'sleep 0.5; stty size; tty; trap \"echo interrupted; exit 3\" INT; echo ready; sleep 20 & wait'";
    const child = spawn("script", ["-qec", `stty cols 93 rows 31; ${command}`, "/dev/null"], {
      env: lab.environment(using),
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (!output.includes("ready") && chunk.includes("ready")) child.stdin.write("\x03");
      output += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect(output).toMatch(/31 93/);
    expect(output).toContain("/dev/pts/0");
    expect(output).toContain("interrupted");
    expect(code).toBe(3);
  });
});

const clientGo = oracle("client-go");
test.skipIf("missing" in clientGo)(`client-go runs a command over either transport${skipNote(clientGo)}`, async () => {
  if ("missing" in clientGo) throw new Error(clientGo.missing);
  const { stdout } = await run(clientGo.path, [lab.kubeconfig, "exec", "shell"]);
  const echoed = "0123456789abcde\n".repeat(8192);
  for (const [index, transport] of ["spdy", "websocket"].entries()) {
    expect(JSON.parse(stdout.split("\n")[index]!)).toEqual({ [transport]: [echoed, "bad\n", 7] });
  }
});

test("a program may open /dev/stdout again", async () => {
  expect((await lab.kubectl(["exec", "shell", "--", "sh", "-c", "echo again > /dev/stdout"])).stdout).toBe("again\n");
});

test("exec of a pod that is not there, and of a container that is not there", async () => {
  expect((await lab.kubectl(["exec", "nobody", "--", "true"])).stderr).toContain('pods "nobody" not found');
  expect((await lab.kubectl(["exec", "shell", "-c", "other", "--", "true"])).code).not.toBe(0);
});

test("port-forward reaches the pod's own loopback, and the log shows it", async () => {
  const child = spawn("kubectl", ["port-forward", "pod/server", ":80"], {
    env: { ...process.env, KUBECONFIG: lab.kubeconfig },
  });
  try {
    const port = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        const found = /127\.0\.0\.1:(\d+)/.exec(chunk.toString());
        if (found) resolve(found[1]!);
      });
      child.once("exit", () => reject(new Error("port-forward ended")));
    });
    const { stdout } = await run("bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; echo through >&3; cat <&3`]);
    expect(stdout).toBe("THROUGH\n");
  } finally {
    child.kill();
  }
  expect((await lab.kubectl(["logs", "server"])).stdout).toBe("asked through\n");
});

test("port-forward over a WebSocket, as client libraries ask for it", async () => {
  expect(await forwardByJavaScript(lab.kubeconfig, "server", 80, "by script\n")).toEqual({
    output: "BY SCRIPT\n",
    errors: "",
  });
  const { errors } = await forwardByJavaScript(lab.kubeconfig, "server", 81, "nobody\n");
  expect(errors).toContain("error forwarding port 81 to the pod");
});

test("logs: tail, timestamps, limits, since, previous, follow to the end", async () => {
  const script = "sleep 0.5; for i in 1 2 3 4 5; do echo line $i; done; echo wrong >&2; sleep 0.5; echo last";
  const containers = [{ name: "c", image: "busybox", command: ["sh", "-c", script] }];
  await lab.apply(podObject("talker", { restartPolicy: "Never", containers }));
  await lab.kubectl(["wait", "pod/talker", "--for=jsonpath={.status.phase}=Running", "--timeout=10s"]);
  const followed = lab.kubectl(["logs", "-f", "talker"]);
  await lab.kubectl(["wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=10s"]);
  const whole = "line 1\nline 2\nline 3\nline 4\nline 5\nwrong\nlast\n";
  expect((await followed).stdout.endsWith("last\n")).toBe(true);
  expect([...(await lab.kubectl(["logs", "talker"])).stdout].sort()).toEqual([...whole].sort());
  expect((await lab.kubectl(["logs", "--tail=1", "talker"])).stdout).toBe("last\n");
  expect((await lab.kubectl(["logs", "--limit-bytes=4", "talker"])).stdout).toBe("line");
  expect((await lab.kubectl(["logs", "--tail=1", "--timestamps", "talker"])).stdout).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z last\n$/,
  );
  expect((await lab.kubectl(["logs", "--since=1h", "talker"])).stdout.length).toBe(whole.length);
  expect((await lab.kubectl(["logs", "--previous", "talker"])).stderr).toContain(
    'previous terminated container "c" in pod "talker" not found',
  );
});

describe("the JavaScript client", () => {
  test("runs a command, with its output, errors and exit status", async () => {
    const { output, errors, status } = await execByJavaScript(lab.kubeconfig, "shell", [
      "sh",
      "-c",
      "echo out; echo err >&2; exit 3",
    ]);
    expect([output, errors]).toEqual(["out\n", "err\n"]);
    expect(status).toMatchObject({ status: "Failure", reason: "NonZeroExitCode" });
    expect(status.details?.causes).toEqual([{ reason: "ExitCode", message: "3" }]);
  });

  test("its informer hears what comes, changes and goes", async () => {
    const heard = await watchByJavaScript(lab.kubeconfig, async (settings) => {
      await settings.create({ a: "1" });
      await settings.change({ a: "2" });
      await settings.remove();
    });
    expect(heard).toEqual(["add kube-root-ca.crt", "add told 1", "update told 2", "delete told 2"]);
  });
});
