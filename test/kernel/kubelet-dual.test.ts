/** A pod of a lab of both families on a real node: its addresses work at once, are told everywhere, and are given back. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KubeObject, Nodes, Pods } from "../../src/kube/client/index.ts";
import { KubeletLab } from "./kubelet-lab.ts";
import { podObject } from "./kubelet-pods.ts";

const lab = new KubeletLab("dual");
beforeAll(() => lab.start());
afterAll(() => lab.stop());

interface Status {
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

test("a pod has an address of each family, shows both, and gives both back", async () => {
  const env = [{ name: "MINE", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } }];
  const containers = [{ name: "c", image: "busybox", command: ["sleep", "1000"], env }];
  await lab.client.create(Pods, podObject("pair", { containers }) as KubeObject);
  let status: Status = {};
  await lab.until(async () => {
    status = ((await lab.client.get(Pods, "pair", "default"))["status"] ?? {}) as Status;
    return status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
  });
  const [four = "", six = ""] = (status.podIPs ?? []).map(({ ip }) => ip);
  expect([four, six]).toEqual([expect.stringMatching(/^172\.21\.0\.\d+$/), expect.stringMatching(/^fd00:172:21::/)]);
  expect(status.hostIPs?.map(({ ip }) => ip)).toEqual(["192.168.77.10", "fd00:77::10"]);
  expect([...lab.agent.endpoints.values()]).toMatchObject([{ address: four, address6: six }]);

  const inPod = async (script: string) => (await lab.kubectl(["exec", "pair", "--", "sh", "-c", script])).stdout;
  expect(await inPod("echo $MINE; cat /etc/hosts")).toMatch(new RegExp(`^${four},${six}\n[^]*${six}\tpair\n`));
  const pid = JSON.parse(execFileSync("sh", ["-c", `cat ${lab.directory}/pods/*/network.json`]).toString()).sandboxPid;
  const ip = (...args: string[]) => execFileSync("nsenter", ["-t", String(pid), "-n", "ip", "-6", ...args]).toString();
  const addresses = ip("addr", "show", "dev", "eth0");
  expect(addresses).toContain(`inet6 ${six}/128 scope global`);
  expect(addresses).not.toContain("tentative");
  expect(ip("route")).toMatch(new RegExp(`default via fd00:172:21::1 dev eth0 src ${six}`));
  expect(ip("route", "get", "2001:db8::1")).toContain(`via fd00:172:21::1 dev eth0 src ${six}`);

  await lab.client.delete(Pods, "pair", { namespace: "default", gracePeriodSeconds: 0 });
  await lab.until(() => lab.agent.addresses.size === 0 && lab.agent.endpoints.size === 0);
});

test("the node has a range and an address of each family", async () => {
  const node = await lab.client.get(Nodes, "node-1");
  expect(node["spec"]).toMatchObject({ podCIDRs: ["172.21.0.0/24", "fd00:172:21::/64"] });
  const described = await lab.kubectl(["describe", "node", "node-1"]);
  expect(described.stdout).toMatch(/InternalIP: +192\.168\.77\.10\n +InternalIP: +fd00:77::10\n/);
  expect(described.stdout).toMatch(/PodCIDRs: +172\.21\.0\.0\/24,fd00:172:21::\/64\n/);
});
