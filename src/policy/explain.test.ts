import { describe, expect, it } from "vitest";
import {
  CLIENT,
  from,
  on,
  policyOf as policyOfSpecs,
  query,
  server,
  tierRule,
} from "../../test/support/server-policy.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import { type Candidate, explain, explainConnection, originName } from "./explain.ts";
import { dnsVerdict, httpVerdict, type L7Facts, serverNameVerdict } from "./judge-l7.ts";

const policyOf = (...specs: readonly object[]) => policyOfSpecs(specs);
const ingress = (...elements: readonly object[]) => ({ ...server, ingress: elements });
const ingressDeny = (...elements: readonly object[]) => ({ ...server, ingressDeny: elements });
const egress = (...elements: readonly object[]) => ({ ...server, egress: elements });
const short = ({ rules, verdict, why }: Candidate) => [rules.map(({ name }) => name).join(), verdict, why];
const http = (method: string) => ({ http: [{ method }] });
const request = (method: string): L7Facts => ({ http: { method, host: "", path: "/", headers: [] } });

const P0 = "CiliumNetworkPolicy default/p0 spec.ingress[0]";

describe("rules that lost", () => {
  const lostTo = (specs: readonly object[], port = 80) =>
    explain(policyOf(...specs), query(CLIENT, port)).lost.map(short);

  it("are none where one rule decides, or several the same way together", () => {
    expect(lostTo([ingress(on(80))])).toEqual([]);
    expect(lostTo([ingress({ ...from("client"), ...on(80) }), ingress({ ...from("client"), ...on(80) })])).toEqual([]);
  });

  it.each<[string, readonly object[], readonly unknown[]]>([
    [
      "an allow, and a weaker deny, to a deny",
      [ingressDeny({ fromEndpoints: [{}] }), ingress(on(80)), ingressDeny({ ...from("client"), ...on(80) })],
      ["p1", "allow", "CiliumNetworkPolicy default/p0 spec.ingressDeny[0] denies it, and deny comes before allow"],
    ],
    [
      "a plain allow to a redirect",
      [ingress(on(80, http("GET"))), ingress({ ...from("client"), ...on(80) }), ingress(on(70, undefined, 90))],
      ["p2", "allow", `${P0} sends it to the proxy, which comes before a plain allow`],
    ],
    [
      "an allow to a wider one that is no other",
      [ingress(from("client")), ingress(on(80))],
      ["p0", "allow", "CiliumNetworkPolicy default/p1 spec.ingress[0] allows it already"],
    ],
  ])("%s", (_what, specs, want) => {
    expect(lostTo(specs)).toContainEqual(want);
  });

  it("name the proxy that comes first, and what is judged there too", () => {
    const lost = lostTo([ingress(on(80, http("GET"))), ingress({ ...from("client"), ...on(80, http("PUT"), 90) })]);
    expect(lost).toHaveLength(1);
    expect(lost[0]!.slice(1)).toEqual([
      "redirect",
      expect.stringMatching(
        /^the proxy of \S+ default\/p\d spec.ingress\[0\] comes first; its rules are judged there too$/,
      ),
    ]);
  });

  it("are not the rule by which the proxy lets a request pass", () => {
    const policy = policyOf(ingress(on(80, http("GET"))), ingress({ ...from("client"), ...on(80) }));
    const { lost, text } = explain(policy, query(CLIENT, 80), request("PUT"));
    expect(text).toMatch(/which lets the request pass by CiliumNetworkPolicy default\/p1 /);
    expect(lost.map(({ rules }) => rules.map(({ name }) => name))).toEqual([]);
  });

  const ADMIN = "ClusterNetworkPolicy p0 spec.ingress[0].from[0]";

  it("say that a tier comes first, or a priority within it", () => {
    expect(
      lostTo([tierRule("Admin", 1, "Accept", 80), tierRule("Admin", 2, "Deny", 80, "client"), ingress(on(80))]),
    ).toEqual([
      ["p1", "deny", `${ADMIN} has the earlier priority`],
      ["p2", "allow", `the tier of ${ADMIN} comes first, or passes it on`],
    ]);
  });

  it("hold the passes that cover the port, and no others", () => {
    const specs = [tierRule("Admin", 1, "Pass", 80), tierRule("Admin", 2, "Pass", 81), ingress(on(80, undefined, 90))];
    const builtIn = [
      "",
      "deny",
      "the tier of CiliumNetworkPolicy default/p2 spec.ingress[0] comes first, or passes it on",
    ];
    const passes = (name: string) => [name, "pass", "it leaves the decision to the next tier"];
    expect(lostTo(specs)).toEqual([builtIn, passes("p0")]);
    expect(lostTo(specs, 81)).toEqual([builtIn, passes("p1")]);
    expect(lostTo(specs, 82)).toEqual([builtIn]);
  });
});

describe("rules that just miss", () => {
  const specs = [
    ingress({ ...from("client"), ...on(80) }),
    ingress({ ...from("other"), ...on(80) }),
    ingress(on(90, http("GET"), 95)),
    ingressDeny({ ...from("client"), ...on(99) }),
  ];
  const policy = policyOf(...specs);
  const missedAt = (identity: number, port: number) => explain(policy, query(identity, port)).missed.map(short);

  it("are about other ports of this peer, or this port of other peers", () => {
    expect(missedAt(CLIENT, 89)).toEqual([
      ["p2", "redirect", "it is about other ports"],
      ["p0", "allow", "it is about other ports"],
    ]);
    expect(missedAt(7777, 80)).toEqual([
      ["p2", "redirect", "it is about other ports"],
      ["p0", "allow", "it does not select this peer"],
      ["p1", "allow", "it does not select this peer"],
    ]);
    expect(missedAt(7777, 79)).toEqual([["p2", "redirect", "it is about other ports"]]);
    expect(missedAt(7777, 96)).toEqual(missedAt(7777, 79));
  });

  it("are told only of what is refused, by the proxy too", () => {
    expect(missedAt(CLIENT, 80)).toEqual([]);
    expect(missedAt(7777, 90)).toEqual([]);
    expect(missedAt(7777, 95)).toEqual([]);
    expect(explain(policy, query(7777, 90), request("PUT")).missed).toEqual([]);
    expect(explain(policy, query(CLIENT, 90), request("PUT")).missed.map(short)).toEqual([
      ["p0", "allow", "it is about other ports"],
    ]);
  });

  it("name a port that nobody has", () => {
    const named = policyOf(ingress({ toPorts: [{ ports: [{ port: "none", protocol: "TCP" }] }] }));
    expect(explain(named, query(CLIENT, 80)).missed.map(short)).toEqual([
      ["p0", "allow", "nobody whom it is about has a port named none"],
    ]);
  });

  it("cover a protocol only where they name it or all", () => {
    const any = policyOf(ingress(from("client")), ingress({ ...from("other"), ...on(80) }));
    const missed = explain(any, { ...query(7777, 80), protocol: 17 }).missed.map(short);
    expect(missed).toEqual([["p0", "allow", "it does not select this peer"]]);
  });
});

describe("a sentence", () => {
  const policy = policyOf(ingress(on(80, http("GET"))), egress({ ...on(443) }));
  const start = `ingress from identity ${CLIENT} on TCP 80 is sent to the proxy by ${P0}`;
  const text = (facts?: L7Facts) => explain(policy, query(CLIENT, 80), facts).text;

  it("says what the proxy says", () => {
    expect(text()).toBe(start);
    expect(text({})).toBe(start);
    expect(text(request("GET"))).toBe(`${start}, which lets the request pass by ${P0}`);
    expect(text(request("PUT"))).toBe(`${start}, which refuses it: no rule allows it`);
    expect(text({ sni: "a" })).toBe(`${start}, where the request cannot be judged: no http facts`);
  });

  it("says where a connection goes, and which rules turned default deny on", () => {
    expect(explain(policy, query(CLIENT, 443, "egress")).text).toBe(
      `egress to identity ${CLIENT} on TCP 443 is allowed by CiliumNetworkPolicy default/p1 spec.egress[0]`,
    );
    expect(explain(policy, query(CLIENT, 81)).text).toBe(
      `ingress from identity ${CLIENT} on TCP 81 is denied: no rule allows it, and default deny is on by ${P0}`,
    );
    expect(explain(policyOf(ingressDeny(on(80))), query(CLIENT, 80)).text).toMatch(/is denied by .*ingressDeny\[0\]$/);
  });

  it("says that no rule allows what only passes cover, and who let the node in", () => {
    const passing = policyOf(tierRule("Admin", 1, "Pass", 80), ingress(on(90)));
    const refused = "is denied: no rule allows it (deny-any-ingress)";
    expect(explain(passing, query(CLIENT, 80)).text).toBe(`ingress from identity ${CLIENT} on TCP 80 ${refused}`);
    expect(explain(policyOf(ingress(on(90))), query(ReservedIdentity.Host, 80)).text).toBe(
      "ingress from identity 1 on TCP 80 is allowed by allow-localhost-ingress",
    );
  });

  it("names a rule by kind, namespace and path, a built-in one by its name", () => {
    const origin = { kind: "K", namespace: "ns", name: "n", labels: [], path: "spec" };
    expect(originName(origin)).toBe("K ns/n spec");
    expect(originName({ ...origin, namespace: "" })).toBe("K n spec");
    expect(originName({ ...origin, kind: "" })).toBe("spec");
  });
});

describe("a connection", () => {
  const open = policyOf();
  const closed = policyOf(ingress({}), ingressDeny({}), { ...egress(), egressDeny: [{}] });
  const proxied = policyOf(ingress(on(80, http("GET"))), egress(on(80, http("GET"))));
  const side = (policy: ComputedPolicy | undefined, direction: "ingress" | "egress") =>
    policy && { policy, query: query(CLIENT, 80, direction) };
  const outcome = (source?: ComputedPolicy, destination?: ComputedPolicy, facts?: L7Facts) => {
    const { verdict, decidedBy } = explainConnection(side(source, "egress"), side(destination, "ingress"), facts);
    return [verdict, decidedBy];
  };

  it("is forwarded where no side objects", () => {
    expect(outcome()).toEqual(["forwarded", undefined]);
    expect(outcome(open, open)).toEqual(["forwarded", undefined]);
    expect(outcome(proxied, proxied, request("GET"))).toEqual(["forwarded", undefined]);
    expect(explainConnection(undefined, undefined)).toEqual({ verdict: "forwarded" });
  });

  it("is dropped by either side, the source first, and before anything is unknown", () => {
    expect(outcome(closed, open)).toEqual(["dropped", "egress"]);
    expect(outcome(open, closed)).toEqual(["dropped", "ingress"]);
    expect(outcome(closed, closed)).toEqual(["dropped", "egress"]);
    expect(outcome(undefined, closed)).toEqual(["dropped", "ingress"]);
    expect(outcome(proxied, closed)).toEqual(["dropped", "ingress"]);
    expect(outcome(open, proxied, request("PUT"))).toEqual(["dropped", "ingress"]);
  });

  it("is unknown while the proxy has no facts", () => {
    expect(outcome(proxied, open)).toEqual(["unknown", "egress"]);
    expect(outcome(open, proxied)).toEqual(["unknown", "ingress"]);
    expect(outcome(open, proxied, { sni: "a" })).toEqual(["unknown", "ingress"]);
  });

  it("has what each side says", () => {
    const both = explainConnection(side(open, "egress"), side(closed, "ingress"));
    expect([both.egress?.verdict, both.ingress?.verdict]).toEqual(["allow", "deny"]);
    expect(Object.keys(explainConnection(side(open, "egress"), undefined))).toEqual(["egress", "verdict"]);
  });
});

describe("one request", () => {
  const rules = [
    ingress(on(80, http("GET"))),
    ingress({ toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: ["a.example"] }] }),
    egress({ toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], rules: { dns: [{ matchName: "a.example" }] } }] }),
  ];
  const policy = policyOf(...rules);

  it("is judged by its protocol", () => {
    const verdicts = ["GET", "PUT"].map((method) =>
      httpVerdict(policy, query(CLIENT, 80), { method, host: "", path: "/", headers: [] }),
    );
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(["allow", "deny"]);
    expect(verdicts.map(({ actions, origins }) => [actions.length, origins.length])).toEqual([
      [0, 1],
      [0, 0],
    ]);
    const names = ["a.example", "b.example", undefined].map((name) =>
      serverNameVerdict(policy, query(CLIENT, 443), name),
    );
    expect(names.map(({ verdict }) => verdict)).toEqual(["allow", "deny", "deny"]);
    const question = { ...query(CLIENT, 53, "egress"), protocol: 17 };
    const answers = ["A.example.", "b.example"].map((name) => dnsVerdict(policy, question, name).verdict);
    expect(answers).toEqual(["allow", "deny"]);
  });
});

describe("headers that rules change", () => {
  const adding = (name: string, value: string) => ({
    http: [{ headerMatches: [{ name, value, mismatch: "ADD" }] }],
  });

  it("are changed by all of one rank, each after those before it", () => {
    const both = (second: object) =>
      policyOf(ingress(on(80, adding("X-A", "1"))), ingress({ ...from("client"), ...on(80, second) }));
    const get = { method: "GET", host: "", path: "/", headers: [] };
    const actionsOf = (policy: ComputedPolicy) =>
      httpVerdict(policy, query(CLIENT, 80), get)
        .actions.map(({ name }) => name)
        .sort();
    expect(actionsOf(both(adding("X-B", "2")))).toEqual(["x-a", "x-b"]);
    expect(actionsOf(both(adding("X-A", "1")))).toEqual(["x-a"]);
  });
});
