import { describe, expect, it } from "vitest";
import { CLIENT, on, policyOf, query, server } from "../../test/support/server-policy.ts";
import { PolicyConflict } from "./clause.ts";
import { lookup } from "./lookup.ts";

const egress = (...elements: readonly object[]) => ({ ...server, egress: elements });
const to = (app: string) => ({ toEndpoints: [{ matchLabels: { app } }] });
const get = { http: [{ method: "GET" }] };
const port = (settings: object, number = "80") => ({
  toPorts: [{ ports: [{ port: number, protocol: "TCP" }], ...settings }],
});
const tls = (name: string) => ({ secret: { namespace: "kube-system", name } });
const listener = (name: string, priority?: number) => ({
  listener: { envoyConfig: { kind: "CiliumEnvoyConfig", name: "config" }, name, ...(priority ? { priority } : {}) },
});

describe("rules that contradict each other", () => {
  it.each<[string, object, object, RegExp]>([
    [
      "authentication",
      { authentication: { mode: "required" } },
      { authentication: { mode: "disabled" } },
      /authentication modes/,
    ],
    [
      "parsers",
      port({ rules: { dns: [{ matchName: "a" }] } }, "53"),
      port({ rules: get }, "53"),
      /L7 parsers \(dns, http\)/,
    ],
    ["listeners", port(listener("a")), port(listener("b")), /listeners of one priority/],
    ["certificates", port({ terminatingTLS: tls("a") }), port({ terminatingTLS: tls("b") }), /terminatingTLS/],
    ["authorities", port({ originatingTLS: tls("a") }), port({ originatingTLS: tls("b") }), /originatingTLS/],
    ["names beside requests", port({ serverNames: ["a.b"] }), port({ rules: get }), /beside serverNames/],
  ])("on %s are named, both", (_what, one, two, message) => {
    const resolve = () => policyOf([egress({ ...to("client"), ...one }), egress({ ...to("client"), ...two })]);
    expect(resolve).toThrow(PolicyConflict);
    expect(resolve).toThrow(message);
    expect(resolve).toThrow("default/p0 spec.egress[0] and default/p1 spec.egress[0]");
  });

  it("are no contradiction about other peers, or about nobody", () => {
    const [one, two] = [port({ terminatingTLS: tls("a") }), port({ terminatingTLS: tls("b") })];
    expect(() => policyOf([egress({ ...to("client"), ...one }), egress({ ...to("other"), ...two })])).not.toThrow();
    const nobody = { toEntities: ["none"] };
    expect(() => policyOf([egress({ ...nobody, ...one }), egress({ ...nobody, ...two })])).not.toThrow();
  });
});

describe("a redirect's name", () => {
  it("has direction, protocol and ports, and the parser where it is not HTTP", () => {
    const policy = policyOf([
      egress(on(80, get), port({ serverNames: ["a.b"] }, "443"), port(listener("mine"), "8080"), on(90, get, 95)),
      egress(port({ rules: { dns: [{ matchName: "a" }] } }, "53")),
    ]);
    expect(policy.redirects.map(({ key }) => key).sort()).toEqual([
      "egress:TCP:443:tls",
      "egress:TCP:53:dns",
      "egress:TCP:80",
      "egress:TCP:8080:default/config/mine",
      "egress:TCP:90-95",
    ]);
  });
});

describe("two allows", () => {
  it("have the lower priority of two listeners, and its name", () => {
    const policy = policyOf([egress(port(listener("a", 7))), egress(port(listener("b", 3)))]);
    expect(lookup(policy, query(CLIENT, 80, "egress")).entry?.redirect).toBe("egress:TCP:80:default/config/b");
  });

  it("hold the rules of both once, and everything where one has none", () => {
    const put = { http: [{ method: "PUT" }] };
    const rulesOf = (...elements: readonly object[]) => policyOf([egress(...elements)]).redirects[0]?.rules[0]?.http;
    const methods = (rules: ReturnType<typeof rulesOf>) => rules?.map(({ method }) => method);
    expect(methods(rulesOf(on(80, get), on(80, put), on(80, get)))).toEqual(["GET", "PUT"]);
    expect(methods(rulesOf(on(80, get), on(80)))).toEqual(["GET", undefined]);
  });
});
