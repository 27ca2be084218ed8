/** Families and addresses of services: what a user of a cluster of one family, and of both, gets and is refused. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVICE_CIDR, SERVICE_CIDR6 } from "../../model/addresses.ts";
import { type Fields, fieldsOf, type KubeObject } from "../object.ts";
import { Services } from "../resources.ts";
import { fillFamilies } from "./defaults/service-families.ts";
import { freeAddress, holds, serviceRanges } from "./service-range.ts";
import { failure, startTestServer, type TestServer } from "./test-server.ts";

let single: TestServer;
let dual: TestServer;
beforeAll(async () => {
  [single, dual] = await Promise.all([
    startTestServer(),
    startTestServer({ serviceCidrs: [SERVICE_CIDR, SERVICE_CIDR6] }),
  ]);
});
afterAll(() => Promise.all([single.close(), dual.close()]));

let count = 0;
const service = (spec: Fields): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: `s${++count}`, namespace: "default" },
  spec: { selector: { app: "a" }, ports: [{ port: 80 }], ...spec },
});

/** Families, policy and addresses in one line; an address that was not asked for is its family. */
function told(object: KubeObject, asked: Fields = {}): string {
  const spec = fieldsOf(object.spec);
  const addresses = (spec.clusterIPs as string[]).map((address) =>
    address === "None" || JSON.stringify(asked).includes(`"${address}"`) ? address : address.replace(/[:.].*/, "…"),
  );
  expect(spec.clusterIP).toBe((spec.clusterIPs as string[])[0]);
  return `${spec.ipFamilyPolicy} ${(spec.ipFamilies as string[]).join(",")} ${addresses.join(",")}`;
}

const BARE = { selector: undefined, clusterIP: "None" };
const dualPolicy = (policy: string) => ({ ipFamilyPolicy: policy });
const both = ["IPv4", "IPv6"];

describe("a new service", () => {
  test.each<[string, Fields, string]>([
    ["nothing said", {}, "SingleStack IPv4 10…"],
    ["SingleStack", dualPolicy("SingleStack"), "SingleStack IPv4 10…"],
    ["PreferDualStack", dualPolicy("PreferDualStack"), "PreferDualStack IPv4,IPv6 10…,fd00…"],
    ["RequireDualStack", dualPolicy("RequireDualStack"), "RequireDualStack IPv4,IPv6 10…,fd00…"],
    ["IPv6 alone", { ipFamilies: ["IPv6"] }, "SingleStack IPv6 fd00…"],
    [
      "IPv6 first",
      { ipFamilies: ["IPv6", "IPv4"], ...dualPolicy("PreferDualStack") },
      "PreferDualStack IPv6,IPv4 fd00…,10…",
    ],
    [
      "IPv6 and the other one",
      { ipFamilies: ["IPv6"], ...dualPolicy("RequireDualStack") },
      "RequireDualStack IPv6,IPv4 fd00…,10…",
    ],
    ["an IPv6 address", { clusterIP: "fd00:10:96::77" }, "SingleStack IPv6 fd00:10:96::77"],
    [
      "two addresses",
      { clusterIP: "10.96.0.78", clusterIPs: ["10.96.0.78", "fd00:10:96::78"], ...dualPolicy("PreferDualStack") },
      "PreferDualStack IPv4,IPv6 10.96.0.78,fd00:10:96::78",
    ],
    [
      "one address of two",
      { clusterIP: "fd00:10:96::79", ...dualPolicy("RequireDualStack") },
      "RequireDualStack IPv6,IPv4 fd00:10:96::79,10…",
    ],
    ["headless", { clusterIP: "None" }, "SingleStack IPv4 None"],
    ["headless, both", { clusterIP: "None", ...dualPolicy("PreferDualStack") }, "PreferDualStack IPv4,IPv6 None"],
    ["headless without a selector", BARE, "RequireDualStack IPv4,IPv6 None"],
    ["headless without a selector, IPv6 first", { ...BARE, ipFamilies: ["IPv6"] }, "RequireDualStack IPv6,IPv4 None"],
    ["headless without a selector, one", { ...BARE, ...dualPolicy("SingleStack") }, "SingleStack IPv4 None"],
  ])("in a cluster of both families: %s", async (_, spec, wanted) => {
    expect(told(await dual.client.create(Services, service(spec)), spec)).toBe(wanted);
  });

  test.each<[string, Fields, string]>([
    ["nothing said", {}, "SingleStack IPv4 10…"],
    ["PreferDualStack", dualPolicy("PreferDualStack"), "PreferDualStack IPv4 10…"],
    ["headless without a selector", BARE, "SingleStack IPv4 None"],
  ])("in a cluster of IPv4: %s", async (_, spec, wanted) => {
    expect(told(await single.client.create(Services, service(spec)), spec)).toBe(wanted);
  });

  const NO_DUAL =
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services';
  test.each<[string, Fields, string[]]>([
    ["RequireDualStack", dualPolicy("RequireDualStack"), [NO_DUAL]],
    ["IPv6", { ipFamilies: ["IPv6"] }, ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']],
    [
      "IPv6 second",
      { ipFamilies: both, ...dualPolicy("PreferDualStack") },
      ['spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster'],
    ],
    [
      "an IPv6 address",
      { clusterIP: "fd00:10:96::77" },
      ['spec.clusterIPs[0]: Invalid value: ["fd00:10:96::77"]: IPv6 is not configured on this cluster'],
    ],
  ])("a cluster of IPv4 refuses %s", async (_, spec, wanted) => {
    expect(await refusals(single, service(spec))).toEqual(wanted);
  });

  test.each<[Fields, string]>([
    [
      { ipFamilies: both },
      "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
    ],
    [
      { clusterIP: "10.96.0.5", clusterIPs: ["10.96.0.5", "fd00:10:96::5"] },
      "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified",
    ],
    [{ ipFamilies: ["IPv4", "IPv4"] }, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    [{ ipFamilies: ["IPv7"] }, 'spec.ipFamilies[0]: Unsupported value: "IPv7": supported values: "IPv4", "IPv6"'],
    [
      dualPolicy("Dual"),
      'spec.ipFamilyPolicy: Unsupported value: "Dual": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ],
    [
      { clusterIP: "10.96.0.5", ipFamilies: ["IPv6"] },
      'spec.clusterIPs[0]: Invalid value: "10.96.0.5": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ],
    [
      { clusterIPs: ["10.96.0.5"] },
      'spec.clusterIPs: Invalid value: ["10.96.0.5"]: must be empty when `clusterIP` is not specified',
    ],
    [
      { clusterIP: "10.96.0.6", clusterIPs: ["10.96.0.5"] },
      'spec.clusterIPs: Invalid value: ["10.96.0.5"]: first value must match `clusterIP`',
    ],
    [
      { clusterIP: "10.96.0.5", clusterIPs: ["10.96.0.5", "10.96.0.6"], ...dualPolicy("PreferDualStack") },
      'spec.clusterIPs: Invalid value: ["10.96.0.5","10.96.0.6"]: may specify no more than one IP for each IP family',
    ],
    [
      { clusterIP: "None", clusterIPs: ["None", "fd00:10:96::5"], ...dualPolicy("PreferDualStack") },
      'spec.clusterIPs: Invalid value: ["None","fd00:10:96::5"]: \'None\' must be the first and only value',
    ],
    [
      { clusterIP: "10.96.0.300" },
      'spec.clusterIPs[0]: Invalid value: "10.96.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      { clusterIP: "::ffff:10.96.0.5" },
      'spec.clusterIPs[0]: Invalid value: "::ffff:10.96.0.5": must not be an IPv4-mapped IPv6 address',
    ],
    [
      { clusterIP: "fd00:10:97::5" },
      'spec.clusterIPs: Invalid value: ["fd00:10:97::5"]: failed to allocate IP fd00:10:97::5: the provided network does not match the current range',
    ],
    [
      { type: "ExternalName", externalName: "a.example", ...dualPolicy("PreferDualStack") },
      "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
    ],
    [
      { type: "ExternalName", externalName: "a.example", clusterIP: "10.96.0.5" },
      "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
    ],
  ])("%j is refused", async (spec, wanted) => {
    expect(await refusals(dual, service(spec))).toEqual([wanted]);
  });

  test("an address is taken however it is written, also as a second one", async () => {
    const first = { clusterIP: "fd00:10:96::a", ...dualPolicy("RequireDualStack") };
    await dual.client.create(Services, service(first));
    const again = { clusterIP: "fd00:10:96:0::A" };
    expect((await refusals(dual, service(again)))[0]).toContain("provided IP is already allocated");
    const clusterIPs = ["10.96.0.99", "fd00:10:96:0:0:0:0:a"];
    const second = { clusterIP: "10.96.0.99", clusterIPs, ...dualPolicy("PreferDualStack") };
    expect((await refusals(dual, service(second)))[0]).toContain("provided IP is already allocated");
  });
});

async function refusals(server: TestServer, object: KubeObject): Promise<string[]> {
  return causes(server.client.create(Services, object));
}

async function causes(call: Promise<unknown>): Promise<string[]> {
  const error = await failure(call);
  expect(error.code).toBe(422);
  return (error.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`);
}

const PREFER = dualPolicy("PreferDualStack");
const REQUIRE = dualPolicy("RequireDualStack");

/** What a PUT of the changed spec gives; functions see the stored spec. */
async function change(old: Fields, changes: (spec: Fields) => Fields): Promise<KubeObject> {
  const made = await dual.client.create(Services, service(old));
  const spec = fieldsOf(made.spec);
  return dual.client.update(Services, { ...made, spec: { ...spec, ...changes(spec) } });
}

describe("an update", () => {
  test.each<[string, Fields, (spec: Fields) => Fields, string]>([
    ["adds the second family by policy", {}, () => PREFER, "PreferDualStack IPv4,IPv6 10…,fd00…"],
    ["adds it to IPv6", { ipFamilies: ["IPv6"] }, () => REQUIRE, "RequireDualStack IPv6,IPv4 fd00…,10…"],
    [
      "adds it with an address",
      {},
      ({ clusterIP }) => ({ ...PREFER, clusterIPs: [clusterIP, "fd00:10:96::81"] }),
      "PreferDualStack IPv4,IPv6 10…,fd00…",
    ],
    ["removes the second one by policy", REQUIRE, () => dualPolicy("SingleStack"), "SingleStack IPv4 10…"],
    [
      "removes it by the list",
      PREFER,
      ({ clusterIP }) => ({ ...dualPolicy("SingleStack"), clusterIPs: [clusterIP], ipFamilies: ["IPv4"] }),
      "SingleStack IPv4 10…",
    ],
    [
      "without any of the fields keeps them",
      REQUIRE,
      () => ({ clusterIP: undefined, clusterIPs: undefined, ipFamilies: undefined, ipFamilyPolicy: undefined }),
      "RequireDualStack IPv4,IPv6 10…,fd00…",
    ],
    [
      "of one who knows clusterIP alone keeps both",
      REQUIRE,
      () => ({ clusterIPs: undefined, ipFamilies: undefined }),
      "RequireDualStack IPv4,IPv6 10…,fd00…",
    ],
    [
      "lets a headless service change its families",
      { clusterIP: "None" },
      () => ({ ipFamilies: ["IPv6"] }),
      "SingleStack IPv6 None",
    ],
    [
      "removes the second one of IPv6 first",
      { ipFamilies: ["IPv6", "IPv4"], ...REQUIRE },
      () => dualPolicy("SingleStack"),
      "SingleStack IPv6 fd00…",
    ],
    ["relaxes the policy", REQUIRE, () => PREFER, "PreferDualStack IPv4,IPv6 10…,fd00…"],
    [
      "gives a name outside addresses",
      { type: "ExternalName", externalName: "a.example" },
      () => ({ type: "ClusterIP", externalName: undefined, ...PREFER }),
      "PreferDualStack IPv4,IPv6 10…,fd00…",
    ],
  ])("%s", async (_, old, changes, wanted) => {
    expect(told(await change(old, changes))).toBe(wanted);
  });

  test.each<[string, Fields, (spec: Fields) => Fields, string[]]>([
    [
      "changing the first family",
      {},
      () => ({ ipFamilies: ["IPv6"] }),
      [expect.stringContaining("expected an IPv6 value as indicated by `ipFamilies[0]`")],
    ],
    [
      "changing the first family with its address",
      {},
      () => ({ ipFamilies: ["IPv6"], clusterIP: "fd00:10:96::82", clusterIPs: ["fd00:10:96::82"] }),
      [
        'spec.clusterIPs[0]: Invalid value: ["fd00:10:96::82"]: may not change once set',
        'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set',
      ],
    ],
    [
      "changing the address",
      {},
      () => ({ clusterIP: "10.96.0.83" }),
      ['spec.clusterIPs[0]: Invalid value: ["10.96.0.83"]: may not change once set'],
    ],
    [
      "changing the second address",
      REQUIRE,
      ({ clusterIP }) => ({ clusterIPs: [clusterIP, "fd00:10:96::84"] }),
      [expect.stringMatching(/^spec\.clusterIPs\[1\]: .*: may not change once set$/)],
    ],
    [
      "becoming headless",
      {},
      () => ({ clusterIP: "None" }),
      ['spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set'],
    ],
    [
      "adding a family to SingleStack",
      {},
      () => ({ ipFamilies: both }),
      [
        "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
      ],
    ],
    [
      "adding an address that another service has",
      {},
      ({ clusterIP }) => ({ ...PREFER, clusterIPs: [clusterIP, "fd00:10:96::78"] }),
      [expect.stringContaining("failed to allocate IP fd00:10:96::78: provided IP is already allocated")],
    ],
    [
      "releasing the second address without SingleStack",
      REQUIRE,
      ({ clusterIP }) => ({ clusterIPs: [clusterIP] }),
      [
        "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary cluster IP",
      ],
    ],
    [
      "releasing the second family without SingleStack",
      PREFER,
      () => ({ ipFamilies: ["IPv4"] }),
      [
        "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the secondary IP family",
      ],
    ],
  ])("is refused when it is %s", async (_, old, changes, wanted) => {
    expect(await causes(change(old, changes))).toEqual(wanted);
  });

  test("a preference from when the cluster had one family waits until the user asks again", () => {
    const old = service({ type: "ClusterIP", ...PREFER, ipFamilies: ["IPv4"], clusterIP: "10.96.1.1" });
    fieldsOf(old.spec).clusterIPs = ["10.96.1.1"];
    const filled = (changes: Fields) => {
      const next = { ...old, spec: { ...fieldsOf(old.spec), ...changes } };
      fillFamilies(next, old, both);
      return fieldsOf(next.spec).ipFamilies;
    };
    expect(filled({ sessionAffinity: "ClientIP" })).toEqual(["IPv4"]);
    expect(filled(REQUIRE)).toEqual(both);
  });

  test("becoming a name outside, a service gives up its addresses", async () => {
    const { spec } = await change(REQUIRE, () => ({ type: "ExternalName", externalName: "a.example" }));
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) {
      expect(spec).not.toHaveProperty(field);
    }
  });
});

describe("service ranges", () => {
  test("hold what lies between their first and last address", () => {
    const [four, six] = serviceRanges(["10.96.0.0/16", "fd00:10:96::/112"]);
    const held = ["10.96.0.0", "10.96.0.1", "10.96.255.254", "10.96.255.255", "10.97.0.1"].map((ip) =>
      holds(four!, ip),
    );
    expect(held).toEqual([false, true, true, false, false]);
    const ips = ["fd00:10:96::", "fd00:10:96::1", "fd00:10:96::ffff", "fd00:10:96::1:0", "10.96.0.1"];
    expect(ips.map((ip) => holds(six!, ip))).toEqual([false, true, true, false, false]);
    expect(freeAddress(six!, new Set(["fd00:10:96::101"]))).toBe("fd00:10:96::102");
    expect(freeAddress(serviceRanges(["fd00::/120"])[0]!, new Set())).toBeUndefined();
  });

  test.each([[[]], [["10.0.0.0/16", "10.1.0.0/16"]], [["fd00::/64"]], [["x"]]])("%j are refused", (texts) => {
    expect(() => serviceRanges(texts)).toThrow(/service range/);
  });
});
