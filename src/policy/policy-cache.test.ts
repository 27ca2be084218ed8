import { describe, expect, it } from "vitest";
import {
  CLIENT,
  from,
  OTHER,
  on,
  podLabels,
  query,
  repositoryOf,
  SERVER,
  server,
} from "../../test/support/server-policy.ts";
import { parseLabel } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { PolicyConflict } from "./clause.ts";
import { type EntryRun, spelledOut } from "./computed-policy.ts";
import { lookup } from "./lookup.ts";
import type { NamedPort } from "./named-ports.ts";
import { PolicyCache } from "./policy-cache.ts";
import { requiredCidrs } from "./repository.ts";

const subject = { labels: podLabels("server"), identity: SERVER, namedPorts: [] };

function cacheOf(specs: readonly object[], ports: ReadonlyMap<number, readonly NamedPort[]> = new Map()) {
  const repository = repositoryOf(specs);
  return { repository, cache: new PolicyCache(repository, (id) => ports.get(id) ?? []) };
}

describe("a policy that was asked for", () => {
  it("follows an identity that comes and goes, in its verdicts too", () => {
    const { cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), ...on(80) }] }]);
    const policy = cache.policyOf(subject);
    const verdict = () => lookup(policy, query(2000, 80)).verdict;
    expect(verdict()).toBe("deny");
    const [update] = cache.upsertIdentity(2000, podLabels("client"));
    expect([update?.policy === policy, verdict()]).toEqual([true, "allow"]);
    expect(cache.upsertIdentity(2001, podLabels("other"))).toEqual([]);
    cache.removeIdentity(2000);
    expect(verdict()).toBe("deny");
    expect(cache.policyOf(subject)).toBe(policy);
  });

  it("follows every identity where a port's name is allowed to everybody", () => {
    const web = { name: "web", port: 8080, protocol: 6 };
    const ports = new Map([[2000, [web]]]);
    const { cache } = cacheOf(
      [
        { ...server, egress: [on("web")] },
        { ...server, ingress: [on(80)] },
      ],
      ports,
    );
    const verdict = () => lookup(cache.policyOf(subject), query(2000, 8080, "egress")).verdict;
    expect(verdict()).toBe("deny");
    expect(cache.upsertIdentity(2000, podLabels("any")).map(({ subject: { identity } }) => identity)).toEqual([SERVER]);
    expect(verdict()).toBe("allow");
    cache.removeIdentity(2000);
    expect(verdict()).toBe("deny");
  });

  it("is right after the rows were numbered anew", () => {
    const { repository, cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), ...on(80) }] }]);
    const verdict = (identity: number) => lookup(cache.policyOf(subject), query(identity, 80)).verdict;
    cache.policyOf(subject);
    for (let round = 0; repository.selectors.generation === 0 && round < 10_000; round++) {
      cache.upsertIdentity(2000, podLabels("other"));
      cache.removeIdentity(2000);
    }
    expect(repository.selectors.generation).toBe(1);
    expect([verdict(CLIENT), verdict(OTHER)]).toEqual(["allow", "deny"]);
    cache.upsertIdentity(2000, podLabels("client"));
    cache.removeIdentity(CLIENT);
    expect([verdict(CLIENT), verdict(2000)]).toEqual(["deny", "allow"]);
  });

  it("shares a selection across a new numbering", () => {
    const { selectors } = repositoryOf([]);
    const selector = { kind: "fqdn", matchName: "a", text: "fqdn:a," } as const;
    const selection = selectors.retain(selector);
    for (let round = 0; selectors.generation === 0 && round < 10_000; round++) {
      selectors.upsertIdentity(2000, [parseLabel("k8s:a=b")]);
      selectors.removeIdentity(2000);
    }
    expect(selectors.retain(selector)).toBe(selection);
    expect(selectors.upsertIdentity(2000, [parseLabel("fqdn:a")]).selections).toEqual([selection]);
  });
});

describe("what policies name from elsewhere", () => {
  it("is the peers behind a service as it is now, beside other peers", () => {
    const toServices = [{ k8sService: { serviceName: "s", namespace: "default" } }];
    const egress = [{ toEndpoints: [{ matchLabels: { app: "other" } }] }, { toServices }];
    const { repository, cache } = cacheOf([{ ...server, egress, ingress: [from("client")] }]);
    const verdicts = () => {
      cache.clear();
      return [CLIENT, OTHER].map((id) => lookup(cache.policyOf(subject), query(id, 80, "egress")).verdict);
    };
    expect(verdicts()).toEqual(["deny", "allow"]);
    repository.setService("default", "s", { name: "s", namespace: "default", selector: { app: "client" } });
    expect(verdicts()).toEqual(["allow", "allow"]);
    repository.setService("default", "s", undefined);
    expect(verdicts()).toEqual(["deny", "allow"]);
  });

  it("is the prefixes of groups while there are groups and somebody selects them", () => {
    const group = { name: "g", labels: {}, cidrs: ["10.0.0.0/8"] };
    const ingress = [{ fromCIDRSet: [{ cidrGroupRef: "g" }] }];
    const { repository } = cacheOf([{ ...server, ingress }]);
    repository.setCidrGroup("g", group);
    expect(requiredCidrs(repository)).toEqual(["10.0.0.0/8"]);
    expect(requiredCidrs(repository, { groups: false })).toEqual([]);
    expect([...repository.cidrGroups()]).toEqual([group]);
    repository.setCidrGroup("g", undefined);
    expect([requiredCidrs(repository), [...repository.cidrGroups()]]).toEqual([[], []]);
    const except = ["10.1.0.0/16", "0.0.0.0/0"];
    const excepting = cacheOf([{ ...server, ingress: [{ fromCIDRSet: [{ cidrGroupRef: "g", except }] }] }]);
    expect(requiredCidrs(excepting.repository)).toEqual(["10.1.0.0/16"]);
    const { repository: unasked } = cacheOf([{ ...server, ingress: [from("client")] }]);
    unasked.setCidrGroup("g", group);
    expect(requiredCidrs(unasked)).toEqual([]);
  });
});

describe("a change of rules", () => {
  const allow = (app: string, port = 80) => ({ ...server, ingress: [{ ...from(app), ...on(port) }] });
  const replaced = (before: readonly object[], after: object | undefined) => {
    const { repository, cache } = cacheOf(before);
    cache.policyOf(subject);
    const rules = after === undefined ? undefined : repositoryOf([after]).list()[0]!.rules;
    const updates = cache.replacePolicy(repository.list()[0]!.key, rules);
    const short = (runs: readonly EntryRun[]) => spelledOut(runs).map(({ identity, port }) => [identity, port]);
    return updates.map(({ changes }) => changes && [short(changes.removed), short(changes.added)]);
  };

  it("says which entries came and went, and no others", () => {
    const stays = [allow("other", 443), allow("other", 444), allow("third", 1)];
    expect(replaced([allow("client"), ...stays], allow("client", 81))).toEqual([[[[CLIENT, 80]], [[CLIENT, 81]]]]);
    expect(replaced([allow("client"), ...stays], undefined)).toEqual([[[[CLIENT, 80]], []]]);
    expect(
      replaced([allow("client"), ...stays], { ...server, ingressDeny: [{ ...from("client"), ...on(80) }] }),
    ).toEqual([[[[CLIENT, 80]], [[CLIENT, 80]]]]);
  });

  it("computes anew what reaches across all peers", () => {
    expect(replaced([allow("client"), allow("other")], { ...server, ingress: [on(80)] })).toEqual([undefined]);
    expect(replaced([allow("client")], undefined)).toEqual([undefined]);
  });

  it("in a namespace is nothing to endpoints elsewhere, whatever its selector says", () => {
    const { repository, cache } = cacheOf([allow("client"), allow("other"), allow("third")]);
    const key = { ...repository.list()[0]!.key, namespace: "elsewhere", name: "another" };
    cache.policyOf(subject);
    expect(cache.replacePolicy(key, repository.list()[0]!.rules)).toEqual([]);
    const [update] = cache.replacePolicy({ ...key, namespace: "" }, repository.list()[0]!.rules);
    expect(update?.policy).toBe(cache.policyOf(subject));
  });

  it("leaves alone whom it does not select", () => {
    const elsewhere = { ...allow("client"), endpointSelector: { matchLabels: { app: "elsewhere" } } };
    expect(replaced([elsewhere, allow("client")], { ...elsewhere, ingress: [{}] })).toEqual([]);
  });
});

describe("what could be forgotten", () => {
  const verdictOf = (cache: PolicyCache, identity: number, port = 80, direction: "ingress" | "egress" = "ingress") =>
    lookup(cache.policyOf(subject), query(identity, port, direction)).verdict;

  it("a direction that a change spoke of, when the next change speaks of the other", () => {
    const { repository, cache } = cacheOf([
      { ...server, egress: [on(80)] },
      { ...server, ingress: [on(80)] },
    ]);
    expect(verdictOf(cache, CLIENT)).toBe("allow");
    const [egress, ingress] = repository.list();
    cache.replacePolicy(egress!.key, egress!.rules);
    cache.replacePolicy(ingress!.key, repositoryOf([{ ...server, ingressDeny: [on(80)] }]).list()[0]!.rules);
    expect(verdictOf(cache, CLIENT)).toBe("deny");
  });

  it("the labels of an identity whose number is given to others", () => {
    const { cache } = cacheOf([{ ...server, ingress: [on(80)] }]);
    const other = { ...subject, labels: podLabels("other") };
    const verdict = (whose: typeof subject) => lookup(cache.policyOf(whose), query(CLIENT, 81)).verdict;
    expect([verdict(subject), verdict(other)]).toEqual(["deny", "allow"]);
  });

  it("a port's name that only a later peer has", () => {
    const ports = new Map<number, readonly NamedPort[]>();
    const specs = [
      { ...server, egress: [{ toEntities: ["all"] }] },
      { ...server, egressDeny: [{ toEndpoints: [{ matchLabels: { app: "late" } }], ...on("web") }] },
    ];
    const { cache } = cacheOf(specs, ports);
    cache.policyOf(subject);
    ports.set(2000, [{ name: "web", port: 8080, protocol: 6 }]);
    expect(cache.upsertIdentity(2000, podLabels("late"))).toHaveLength(1);
    expect(verdictOf(cache, 2000, 8080, "egress")).toBe("deny");
  });

  it("nothing when rows are numbered anew: every policy comes computed", () => {
    const { repository, cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), ...on(80) }] }]);
    cache.policyOf(subject);
    let updates: ReturnType<PolicyCache["removeIdentity"]> = [];
    for (let round = 0; repository.selectors.generation === 0 && round < 10_000; round++) {
      cache.upsertIdentity(2000, podLabels("client"));
      updates = cache.removeIdentity(2000);
    }
    expect(updates.map(({ policy, changes }) => [policy === cache.policyOf(subject), changes])).toEqual([
      [true, undefined],
    ]);
  });

  it("the bound of the map, when identities come one by one", () => {
    const ranges = Array.from({ length: 40 }, (_, index) => ({
      port: `${1001 + 1000 * index}`,
      endPort: 1900 + 1000 * index,
    }));
    const { cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), toPorts: [{ ports: ranges }] }] }]);
    const each = cache.policyOf(subject).entries.length - 1;
    const most = Math.floor(Limits.PolicyMapEntries / each);
    let errors = 0;
    for (let id = 2000; id < 2000 + most + 2; id++)
      for (const { error } of cache.upsertIdentity(id, podLabels("client"))) if (error !== undefined) errors++;
    expect(errors).toBe(1);
    expect(() => cache.policyOf(subject)).toThrow(/map entries/);
  });

  it("a subject whose rules contradicted each other, when they no longer do", () => {
    const auth = (mode: string) => ({ ...server, ingress: [{ ...from("client"), authentication: { mode } }] });
    const { repository, cache } = cacheOf([auth("required"), auth("required")]);
    const other = (mode: string) => repositoryOf([auth(mode)]).list()[0]!.rules;
    const { key } = repository.list()[0]!;
    cache.policyOf(subject);
    expect(cache.replacePolicy(key, other("test-always-fail")).map(({ error }) => error)).toEqual([
      expect.any(PolicyConflict),
    ]);
    expect(() => cache.policyOf(subject)).toThrow(PolicyConflict);
    const [update] = cache.replacePolicy(key, other("required"));
    expect([update?.subject, update?.policy]).toEqual([subject, cache.policyOf(subject)]);
    cache.replacePolicy(key, other("test-always-fail"));
    cache.release(subject);
    expect(cache.replacePolicy(key, undefined)).toEqual([]);
  });

  it("nothing when rows were numbered anew before rules change", () => {
    const { repository, cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), ...on(80) }] }]);
    const { key, rules } = repository.list()[0]!;
    cache.policyOf(subject);
    for (let round = 0; repository.selectors.generation === 0 && round < 10_000; round++) {
      repository.selectors.upsertIdentity(2000, podLabels("client"));
      repository.selectors.removeIdentity(2000);
    }
    const [update] = cache.replacePolicy(key, rules);
    expect([update?.policy, update?.changes]).toEqual([cache.policyOf(subject), undefined]);
  });

  it("no policy that was released", () => {
    const { cache } = cacheOf([{ ...server, ingress: [{ ...from("client"), ...on(80) }] }]);
    cache.policyOf(subject);
    cache.release(subject);
    expect(cache.upsertIdentity(2000, podLabels("client"))).toEqual([]);
  });
});
