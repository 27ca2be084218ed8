import { describe, expect, it } from "vitest";
import { CLIENT, from, on, policyOf, query, SERVER, server, tierRule } from "../../test/support/server-policy.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { reservedIdentityLabels } from "../model/identity.ts";
import { parseLabel, toLabels } from "../model/label.ts";
import { lookup } from "./lookup.ts";
import type { ResolveOptions } from "./stance.ts";

const open = { enableDefaultDeny: { ingress: false, egress: false } };
const byDefault = ({ origins }: { readonly origins: readonly { readonly path: string }[] }) =>
  origins.map(({ path }) => path);

describe("the node", () => {
  const rule = { nodeSelector: {}, ingress: [from("client")] };
  const host = { labels: reservedIdentityLabels(ReservedIdentity.Host)!, identity: ReservedIdentity.Host };
  const verdicts = (options: ResolveOptions, ...specs: readonly object[]) => {
    const policy = policyOf(specs, host, options);
    const of = (identity: number) => lookup(policy, query(identity, 80)).verdict;
    return [policy.ingressEnforced, of(CLIENT), of(SERVER), of(ReservedIdentity.Host)];
  };

  it("is left open unless the host firewall is asked for", () => {
    expect(verdicts({}, rule)).toEqual([false, "allow", "allow", "allow"]);
    expect(verdicts({ mode: "always" }, rule)).toEqual([false, "allow", "allow", "allow"]);
    expect(verdicts({ hostFirewall: true, mode: "never" }, rule)).toEqual([false, "allow", "allow", "allow"]);
  });

  it("is closed even to itself by the host firewall", () => {
    expect(verdicts({ hostFirewall: true }, rule)).toEqual([true, "allow", "deny", "deny"]);
  });
});

describe("default deny", () => {
  it("is on by the first element of each rule that turns it on", () => {
    const policy = policyOf([
      { ...server, ingress: [from("client"), from("other")] },
      { ...server, ingressDeny: [from("client")] },
      { ...server, ...open, ingress: [from("client")] },
    ]);
    const { verdict, origins } = lookup(policy, query(7777, 80));
    expect([verdict, ...origins.map(({ name, path }) => `${name} ${path}`)]).toEqual([
      "deny",
      "p0 spec.ingress[0]",
      "p1 spec.ingressDeny[0]",
    ]);
  });

  it("is off where no rule turns it on, unless enforcement is forced", () => {
    const specs = [{ ...server, ...open, ingress: [from("client")] }];
    expect(lookup(policyOf(specs), query(7777, 80)).verdict).toBe("allow");
    const forced = lookup(policyOf(specs, {}, { mode: "always" }), query(7777, 80));
    expect([forced.verdict, byDefault(forced)]).toEqual(["deny", ["always-enforced"]]);
    const init = lookup(
      policyOf(specs, {
        labels: toLabels(
          ["k8s:app=server", "k8s:io.kubernetes.pod.namespace=default", "reserved:init"].map(parseLabel),
        ),
      }),
      query(7777, 80),
    );
    expect([init.verdict, byDefault(init)]).toEqual(["deny", ["always-enforced"]]);
  });

  it("has an origin also where no rule speaks of the direction", () => {
    const silent = lookup(policyOf([], {}, { mode: "always" }), query(7777, 80));
    expect([silent.verdict, byDefault(silent)]).toEqual(["deny", ["always-enforced"]]);
    expect(byDefault(lookup(policyOf([]), query(7777, 80)))).toEqual(["allow-any-ingress"]);
    expect(byDefault(lookup(policyOf([]), query(7777, 80, "egress")))).toEqual(["allow-any-egress"]);
  });

  it("names its origin in the policy's table; none where nothing is denied by default", () => {
    const policy = policyOf([{ ...server, ingress: [from("client")] }]);
    expect(policy.origins[policy.ingressDefaultOrigin]?.map(({ name }) => name)).toEqual(["p0"]);
    expect(policy.egressDefaultOrigin).toBe(-1);
  });
});

describe("the node's way to its own pods", () => {
  const allows = (specs: readonly object[], options: ResolveOptions = {}) =>
    lookup(policyOf(specs, {}, options), query(ReservedIdentity.Host, 80));

  it("is open at ingress, unless a rule or an option closes it", () => {
    const rule = { ...server, ingress: [from("client")], egress: [from("client")].map(() => ({})) };
    expect([allows([rule]).verdict, byDefault(allows([rule]))]).toEqual(["allow", ["allow-localhost-ingress"]]);
    expect(allows([rule], { allowLocalhost: false }).verdict).toBe("deny");
    expect(allows([rule, { ...server, ingressDeny: [{ fromEntities: ["host"] }] }]).verdict).toBe("deny");
  });

  it("is open behind a pass as well, and for the node alone", () => {
    const specs = [tierRule("Admin", 1, "Pass", 80), { ...server, ingress: [on(81)] }];
    expect(allows(specs).verdict).toBe("allow");
    const other = lookup(policyOf(specs), query(CLIENT, 80));
    expect([other.verdict, byDefault(other)]).toEqual(["deny", ["deny-any-ingress"]]);
    expect(lookup(policyOf(specs), query(CLIENT, 81)).verdict).toBe("allow");
  });
});
