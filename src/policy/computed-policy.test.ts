import { describe, expect, it } from "vitest";
import { CLIENT, from, OTHER, on, policyOf, server } from "../../test/support/server-policy.ts";

const policy = () =>
  policyOf([
    { ...server, ingress: [{ ...from("other"), ...on(81) }, { ...from("client"), ...on(80, undefined, 82) }, on(90)] },
    { ...server, egress: [{ toEndpoints: [{ matchLabels: { app: "client" } }] }], ingressDeny: [from("other")] },
  ]);

describe("the entries of a policy", () => {
  it("come by direction, identity, protocol, prefix length and port", () => {
    const entries = policy().entries.map(({ direction, identity, protocol, portPrefix, port, deny }) => [
      direction,
      identity,
      `${protocol}:${port}/${portPrefix}`,
      deny,
    ]);
    expect(entries).toEqual([
      ["ingress", 0, "6:90/16", false],
      ["ingress", 1, "0:0/0", false],
      ["ingress", CLIENT, "6:80/15", false],
      ["ingress", CLIENT, "6:82/16", false],
      ["ingress", OTHER, "0:0/0", true],
      ["egress", CLIENT, "0:0/0", false],
    ]);
  });

  it("are as many as counted and visited, and made once", () => {
    const made = policy();
    const visited: unknown[] = [];
    made.forEachEntry((direction, identity, { protocol, port, prefix }) => {
      visited.push([direction, identity, protocol, port, prefix]);
    });
    const listed = made.entries.map((each) => [
      each.direction,
      each.identity,
      each.protocol,
      each.port,
      each.portPrefix,
    ]);
    expect(visited.map(String).sort()).toEqual(listed.map(String).sort());
    expect(made.entryCount).toBe(listed.length);
    expect(made.entries).toBe(made.entries);
    expect(made.redirects).toBe(made.redirects);
  });

  it("name their redirect, as the proxy's rules do", () => {
    const get = { http: [{ method: "GET" }] };
    const { entries, redirects } = policyOf([{ ...server, ingress: [on(80, get), on(81)] }]);
    const [plain, redirected] = [81, 80].map((port) => entries.find((each) => each.port === port)!);
    expect(redirected!.redirect).toBe(redirects[0]!.key);
    expect(plain).not.toHaveProperty("redirect");
  });

  it("name their rules in the table of origins", () => {
    const made = policy();
    const pathsOf = (origin: number) => made.origins[origin]?.map(({ name, path }) => `${name} ${path}`);
    expect(made.entries.map(({ origin }) => pathsOf(origin)?.join())).toEqual([
      "p0 spec.ingress[2]",
      " allow-localhost-ingress",
      "p0 spec.ingress[1]",
      "p0 spec.ingress[1]",
      "p1 spec.ingressDeny[0]",
      "p1 spec.egress[0]",
    ]);
    expect([made.ingressDefaultOrigin, made.egressDefaultOrigin].map(pathsOf)).toEqual([
      ["p0 spec.ingress[0]", "p1 spec.ingressDeny[0]"],
      ["p1 spec.egress[0]"],
    ]);
  });
});
