/** A lab of IPv4 and IPv6 as its user sees it: objects, names, the world, and that the choice stays. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const lab = new TestLab(`b${process.pid}`);
beforeAll(() => lab.up("--ip-family", "dual").then(() => {}));
afterAll(() => lab.down().then(() => {}));

const V6 = "fd00:172:20:[0-9a-f:]+";

test("status says it, and another family is refused with the mend", async () => {
  expect((await lab.shieldgate("status")).stdout).toMatch(/^lab b\d+, IPv4 and IPv6: everything runs\n/);
  const other = await lab.shieldgate("up", "--ip-family", "ipv4");
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("down` deletes it and its objects")]);
  const six = await lab.shieldgate("up", "--ip-family", "ipv6");
  expect([six.code, six.stderr]).toEqual([1, expect.stringContaining("use dual")]);
  expect((await lab.shieldgate("up")).stdout).toContain("is up already: 3 nodes with IPv4 and IPv6");
});

test("pods and nodes have an address of each family, and so have services that ask for it", async () => {
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  const pods = await lab.ok("kubectl get pod tiefighter -o jsonpath='{.status.podIPs[*].ip} {.status.hostIPs[*].ip}'");
  expect(pods).toMatch(new RegExp(`^172\\.20\\.\\d\\.\\d+ ${V6} 192\\.168\\.10\\.10\\d fd00:192:168:10::10\\d$`));
  expect(await lab.ok("kubectl get node k8s-w1 -o jsonpath='{.spec.podCIDRs}'")).toBe(
    '["172.20.1.0/24","fd00:172:20:1::/64"]',
  );
  const families = "kubectl get service deathstar -o jsonpath='{.spec.ipFamilies} {.spec.clusterIPs}'";
  expect(await lab.ok(families)).toMatch(/^\["IPv4"\] \["10\.96\.[\d.]+"\]$/);
  await lab.ok(`kubectl patch service deathstar -p '{"spec":{"ipFamilyPolicy":"PreferDualStack"}}'`);
  expect(await lab.ok(families)).toMatch(/^\["IPv4","IPv6"\] \["10\.96\.[\d.]+","fd00:10:96::[0-9a-f]+"\]$/);
  await lab.eventually(
    "kubectl get endpointslices -l kubernetes.io/service-name=deathstar",
    new RegExp(`IPv6 +80 +${V6},${V6} `),
  );
  expect(await lab.ok("kubectl describe service deathstar")).toMatch(
    /IP Family Policy: +PreferDualStack\nIP Families: +IPv4,IPv6\nIP: +10\.96\S+\nIPs: +10\.96\S+,fd00:10:96::\S+\n/,
  );
});

test("names have both addresses", async () => {
  const name = "deathstar.default.svc.cluster.local";
  await lab.eventually(`kubectl exec tiefighter -- nslookup -type=AAAA ${name}`, /Address: fd00:10:96::/);
  expect(await lab.ok(`kubectl exec tiefighter -- nslookup -type=A ${name}`)).toMatch(/Address: 10\.96\./);
});

test("the world answers every address of both families, and asks with any", async () => {
  for (const address of ["198.51.100.7", "[2001:db8::7]"]) {
    expect(await lab.ok(`world curl -s -m 3 -g http://${address}/`)).toBe("Hello from the world\n");
  }
  const asked = "world curl -s -m 3 -g --interface 2001:db8::9 http://[2001:db8::7]/";
  expect(await lab.ok(asked)).toBe("Hello from the world\n");
});

test("policy holds in both families, L7 included, and Hubble shows the packets of both", async () => {
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  const service = await lab.ok("kubectl get service deathstar -o jsonpath='{.spec.clusterIPs[1]}'");
  const pod = await lab.ok("kubectl get pod -l class=deathstar -o jsonpath='{.items[0].status.podIPs[1].ip}'");
  const ask = (from: string, address: string, what = "POST /v1/request-landing") => {
    const [method = "", path = ""] = what.split(" ");
    return lab.sh(`kubectl exec ${from} -- curl -s -m 2 -g -X${method} 'http://[${address}]${path}'`);
  };
  for (const address of [service, pod]) expect((await ask("xwing", address)).stdout).toBe("Ship landed\n");
  await lab.ok("kubectl apply -f sw_l3_l4_l7_policy.yaml");
  await lab.eventually(
    `kubectl exec tiefighter -- curl -s -m 2 -g -XPUT 'http://[${pod}]/v1/exhaust-port'`,
    /Access denied/,
  );
  for (const address of [service, pod]) {
    expect((await ask("tiefighter", address)).stdout).toBe("Ship landed\n");
    expect((await ask("tiefighter", address, "PUT /v1/exhaust-port")).stdout).toBe("Access denied\r\n");
    expect((await ask("xwing", address)).code).toBe(28);
  }
  const flows = await lab.ok("hubble observe --ip-version v6 --last 200");
  expect(flows).toMatch(
    /default\/tiefighter:\d+ \(ID:\d+\) -> default\/deathstar-\S+:80 \(ID:\d+\) http-request DROPPED \(HTTP\/1\.1 PUT/,
  );
  expect(flows).toMatch(
    /default\/xwing:\d+ \(ID:\d+\) <> default\/deathstar-\S+:80 \(ID:\d+\) Policy denied DROPPED \(TCP Flags: SYN\)/,
  );
  const ip = JSON.parse((await lab.ok("hubble observe --ip-version v6 --last 1 -o json")).split("\n")[0] ?? "") as {
    flow: { IP: unknown };
  };
  expect(ip.flow.IP).toMatchObject({ ipVersion: "IPv6", source: expect.stringContaining("fd00:172:20:") });
});

test("the choice outlives a stop", async () => {
  const before = await lab.ok("kubectl get service deathstar -o jsonpath='{.spec.clusterIPs}'");
  expect((await lab.shieldgate("stop")).code).toBe(0);
  expect((await lab.shieldgate("start")).stdout).toContain("3 nodes with IPv4 and IPv6");
  expect(await lab.ok("kubectl get service deathstar -o jsonpath='{.spec.clusterIPs}'")).toBe(before);
  await lab.eventually("kubectl get pod tiefighter -o jsonpath='{.status.podIPs[*].ip}'", new RegExp(` ${V6}$`));
});
