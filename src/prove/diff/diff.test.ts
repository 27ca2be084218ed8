import { describe, expect, test } from "vitest";
import { type Inventory, takeInventory } from "../inventory.ts";
import { KnownDocuments } from "../manifest.ts";
import { diffOf } from "./diff.ts";
import { diffJson, diffMarkdown, diffSvg, diffText } from "./formats.ts";

const pod = (name: string, labels: string, more = "") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {${labels}}}
spec: {containers: [{name: main${more}}]}
`;
const SHOP = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
${pod("web", "app: web")}${pod("db", "app: db")}`;

const policy = (name: string, spec: string, namespace = "shop") => `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
`;
const toDb = (from: string, ports = "") =>
  policy(
    "db",
    `{endpointSelector: {matchLabels: {app: db}}, ingress: [{${from}${ports === "" ? "" : `, toPorts: ${ports}`}}]}`,
  );
const http = (rules: string) => `[{ports: [{port: "80", protocol: TCP}], rules: {http: [${rules}]}}]`;
const WEB = "fromEndpoints: [{matchLabels: {app: web}}]";

function inventory(text: string): Inventory {
  const found = takeInventory([{ file: "all.yaml", text }]);
  expect(found.problems).toEqual([]);
  return found;
}

function textOf(before: string, after: string): string[] {
  return diffText(diffOf(inventory(before), inventory(after)))
    .trimEnd()
    .split("\n");
}

describe("diff", () => {
  test("of texts that share what was read says what it says of texts that share nothing", () => {
    const [web, db] = [policy("one", "{endpointSelector: {}, egress: [{toEntities: [host]}]}"), toDb(WEB)];
    const changed = toDb("fromEndpoints: [{matchLabels: {app: report}}]");
    for (const [before, after] of [
      [SHOP + web + db, SHOP + db],
      [SHOP + web + db, SHOP + web + changed],
      [SHOP + db, SHOP + db.replace("namespace: shop", "namespace: other")],
      [SHOP + db + pod("job", "app: web"), SHOP.replace("app: web", "app: site") + db],
      [SHOP.replace("{name: shop}", "{name: shop, labels: {a: b}}") + db, SHOP + db],
    ]) {
      const known = new KnownDocuments();
      const shared = [before!, after!].map((text) => takeInventory([{ file: "all.yaml", text }], { known }));
      expect(diffText(diffOf(shared[0]!, shared[1]!))).toBe(textOf(before!, after!).concat("").join("\n"));
    }
  });

  test("of the same sets says that nothing changes, also where a policy only has another name", () => {
    expect(textOf(SHOP + toDb(WEB), SHOP + toDb(WEB))).toEqual(["Nobody may do more or less than before."]);
    const renamed = toDb(WEB).replace("name: db,", "name: store,");
    expect(textOf(SHOP + toDb(WEB), SHOP + renamed).at(-1)).toBe("Nobody may do more or less than before.");
  });

  test("ports that come and go are told apart, as ranges and protocols", () => {
    const ports = (first: number, last: number) => `[{ports: [{port: "${first}", endPort: ${last}, protocol: TCP}]}]`;
    expect(textOf(SHOP + toDb(WEB, ports(80, 90)), SHOP + toDb(WEB, ports(85, 99)))).toEqual([
      "~ CiliumNetworkPolicy shop/db",
      "opened:",
      "  + shop/pod/web -> shop/pod/db: TCP 91-99",
      "closed:",
      "  - shop/pod/web -> shop/pod/db: TCP 80-84",
      "Connections: 1 opened, 1 closed.",
    ]);
    const udp = '[{ports: [{port: "53", protocol: UDP}]}]';
    expect(textOf(SHOP + toDb(WEB, udp), SHOP + toDb(WEB))).toContain(
      "  + shop/pod/web -> shop/pod/db: every protocol but UDP, UDP 0-52, UDP 54-65535",
    );
  });

  test("a policy that turns default deny on closes the rest", () => {
    const lines = textOf(SHOP, SHOP + toDb(WEB));
    expect(lines).toContain("  - everybody but shop/pod/web and entity:host -> shop/pod/db: all ports");
  });

  test("requests are compared rule by rule", () => {
    const change = (before: string, after: string) =>
      textOf(SHOP + toDb(WEB, http(before)), SHOP + toDb(WEB, http(after))).filter((line) => line.startsWith("  "));
    expect(change("{method: GET}, {method: PUT}", "{method: PUT}, {method: GET}")).toEqual([]);
    expect(change("{method: GET}", "{method: GET}, {method: PUT, path: /x}")).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 80 (ingress: PUT /x)",
    ]);
    expect(change("{path: /a|/b}", "{path: /(a|b)}")).toEqual([]);
    expect(change("{path: /(a|b)}, {path: /c}", '{path: "/[a-d]"}')).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 80 (ingress: every method /[a-d], as in GET /d)",
    ]);
    expect(change("{method: GET}", "{}")).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 80 (ingress: every HTTP request, as in POST /)",
    ]);
    expect(change("{}, {method: GET}", "{}")).toEqual([]);
    expect(change("{method: GET, path: /a}", "{method: GET, path: /b}")).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 80 (ingress: GET /b)",
      "  - shop/pod/web -> shop/pod/db: TCP 80 (ingress: GET /a)",
    ]);
  });

  test("of requests that both ends judge is of what the ingress end gets", () => {
    const fromWeb = (rules: string) =>
      policy(
        "web",
        `{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{}], toPorts: ${http(rules)}}]}`,
      );
    const match = (action: string, name = "X-A") => `{headerMatches: [{name: ${name}, value: one${action}}]}`;
    const change = (before: [string, string], after: [string, string]) =>
      textOf(
        ...([before, after].map(([egress, ingress]) => SHOP + fromWeb(egress) + toDb(WEB, http(ingress))) as [
          string,
          string,
        ]),
      )
        .filter((line) => line.startsWith("  ") && line.includes(" shop/pod/web -> shop/pod/db: TCP 80"))
        .map((line) => line.replace(" shop/pod/web -> shop/pod/db: TCP 80", ""));
    // The egress end lets more pass, and the other end does not.
    expect(change(["{path: /a}", "{path: /a}"], ["{path: /a|/b}", "{path: /a}"])).toEqual([]);
    expect(change(["{path: /a}", "{path: /a}"], ["{path: /b}", "{path: /b}"])).toEqual([
      "  + (egress and ingress: every method /b, as in GET /b)",
      "  - (egress and ingress: every method /a, as in GET /a)",
    ]);
    const wanted = match("");
    expect(change([match(", mismatch: LOG"), wanted], [match(", mismatch: ADD"), wanted])).toEqual([
      "  + (egress: every HTTP request (header X-A: one, else ADD), as in GET /)",
    ]);
    // What one end adds the other deletes.
    const gone = match(", mismatch: DELETE");
    expect(change(["{}", gone], [match(", mismatch: ADD"), gone])).toEqual([]);
    const secret = "{headerMatches: [{name: X-A, secret: {namespace: shop, name: token}, mismatch: ADD}]}";
    expect(change([secret, "{}"], [secret, wanted])).toEqual([
      "  ~ (ingress: requests whose headers the egress end edits and the ingress end looks at (unknown, compared as written))",
    ]);
  });

  describe("what is done to headers", () => {
    const token = (value: string) =>
      `---\napiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {value: ${value}}\n`;
    const change = (before: string, after: string, more = ["", ""]) =>
      textOf(SHOP + more[0] + toDb(WEB, before), SHOP + more[1] + toDb(WEB, after)).filter((line) =>
        line.startsWith("  "),
      );
    const add = "headerMatches: [{name: X-A, value: one, mismatch: ADD}]";
    const secret = "headerMatches: [{name: X-T, secret: {namespace: shop, name: token}, mismatch: REPLACE}]";
    const line = (sign: string, what: string) => `  ${sign} shop/pod/web -> shop/pod/db: TCP 80 (ingress: ${what})`;

    test.each([
      [
        "begins beside a rule that lets all pass",
        http("{}"),
        http(`{}, {path: /a, ${add}}`),
        [line("~", "now header x-a: one added, as in GET /a")],
      ],
      [
        "is the only change",
        http(`{path: /a, ${add}}`),
        http(`{path: /a|/b, ${add}}`),
        [line("+", "every method /a|/b (header X-A: one, else ADD), as in GET /b")],
      ],
      ["is the same in other words", http(`{path: /a, ${add}}, {path: /b, ${add}}`), http(`{path: /a|/b, ${add}}`), []],
      [
        "differs for requests that have the header only",
        http(`{${add}}`),
        http(`{${add.replace("ADD", "REPLACE")}}`),
        [
          line(
            "~",
            "now header x-a: one put in place, no longer header x-a: one added, as in GET / (header x-a: another-value)",
          ),
        ],
      ],
      [
        "begins where nobody read requests",
        `[{ports: [{port: "80", protocol: TCP}]}]`,
        http(`{${add}}`),
        [line("~", "now header x-a: one added, as in GET /"), line("-", "everything else")],
      ],
      [
        "hangs on a secret that is not there",
        http("{}"),
        http(`{}, {${secret}}`),
        [
          line(
            "~",
            "no header edited before; after every HTTP request or every HTTP request (header X-T: secret shop/token, else REPLACE) (unknown, compared as written)",
          ),
        ],
      ],
    ])("%s", (_, before, after, lines) => expect(change(before, after).sort()).toEqual([...lines].sort()));

    test("is another where a secret has another value, which nobody is told", () => {
      const found = change(http(`{${secret}}`), http(`{${secret}}`), [token("one"), token("two")]);
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(
        "header x-t: the value of a secret put in place, with another value or in another order, as in GET /",
      );
      expect(found[0]).toContain("as in GET / (header x-t: another value of secret shop/token)");
      expect(found[0]).not.toMatch(/: (one|two)\b/);
    });
  });

  test("server names are compared as sets", () => {
    const rule = (names: string) => toDb(WEB, `[{ports: [{port: "443", protocol: TCP}], serverNames: [${names}]}]`);
    const change = (before: string, after: string) =>
      textOf(SHOP + rule(before), SHOP + rule(after)).filter((line) => line.startsWith("  "));
    expect(change("A.example., b.example", "b.example, a.example")).toEqual([]);
    expect(change('"*.example", a.example', '"**.example"')).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 443 (ingress: server **.example, as in server a.a.example)",
    ]);
    expect(change('"*.example", a.example', '"*.example"')).toEqual([]);
    expect(change("a.example", "b.example")).toEqual([
      "  + shop/pod/web -> shop/pod/db: TCP 443 (ingress: server b.example)",
      "  - shop/pod/web -> shop/pod/db: TCP 443 (ingress: server a.example)",
    ]);
  });

  test("names in DNS rules are compared as sets of names", () => {
    const names = (rules: string) =>
      policy(
        "web",
        `{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{matchLabels: {app: db}}], toPorts: [{ports: [{port: "53", protocol: UDP}], rules: {dns: [${rules}]}}]}]}`,
      );
    const change = (before: string, after: string) =>
      textOf(SHOP + names(before), SHOP + names(after)).filter((line) => line.includes("UDP 53"));
    const line = (sign: string, what: string) => `  ${sign} shop/pod/web -> shop/pod/db: UDP 53 (egress: ${what})`;
    expect(change("{matchName: a.example}, {matchPattern: '*.example'}", "{matchPattern: '*.Example.'}")).toEqual([]);
    expect(change("{matchName: a.example}", "{matchPattern: '*.example'}")).toEqual([
      line("+", "name *.example, as in name 0.example"),
    ]);
    expect(change("{matchName: a.example}", "{matchName: b.example}")).toEqual([
      line("+", "name b.example"),
      line("-", "name a.example"),
    ]);
    expect(change("{matchName: a.example}", "{matchName: a.example, matchPattern: 'a.*'}")).toEqual([
      line("+", "name a.example or a.*, as in name a.a"),
    ]);
    expect(change("{matchName: a.example}", "{matchPattern: '**'}")).toEqual([line("+", "every request")]);
  });

  test("the value of a secret that headers are compared with is part of the rule", () => {
    const secret = (value: string) =>
      `---\napiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {value: ${value}}\n`;
    const match = "{headerMatches: [{name: X-Token, secret: {namespace: shop, name: token}}]}";
    const rule = toDb(WEB, `[{ports: [{port: "80", protocol: TCP}], rules: {http: [${match}]}}]`);
    const lines = textOf(SHOP + rule + secret("one"), SHOP + rule + secret("two"));
    expect(lines.at(-1)).toBe("Connections: 1 opened, 1 closed.");
    expect(lines.join()).not.toMatch(/one|two/);
    expect(lines.join()).not.toMatch(/unknown/);
    expect(textOf(SHOP + toDb(WEB, http("{method: GET}")), SHOP + rule).join()).toContain(
      "every HTTP request (header X-Token: secret shop/token) (unknown, compared as written: missing is the value of Secret shop/token)",
    );
    // Whatever its value is, others let all of it pass.
    const beside = (rules: string) => textOf(SHOP + toDb(WEB, http("{path: /.*}")), SHOP + toDb(WEB, http(rules)));
    expect(beside(`{path: /.*}, ${match.replace("{", "{path: /a, ")}`).at(-1)).toMatch(/^Nobody/);
    const split = ["{path: /a, ", "{path: /b, "].map((path) => match.replace("{", path)).join();
    const whole = match.replace("{", "{path: /a|/b, ");
    const known = (rules: string, value = "one") => SHOP + toDb(WEB, http(rules)) + secret(value);
    expect(textOf(known(split), known(whole)).at(-1)).toMatch(/^Nobody/);
    expect(textOf(known(split), known(whole, "two")).at(-1)).toBe("Connections: 1 opened, 1 closed.");
    expect(textOf(known(split), known(whole.replace("/b", "/c"))).join()).not.toMatch(/one|\0/);
  });

  test("authentication that is asked for from now on closes, and opens when it goes", () => {
    const asking = toDb(`${WEB}, authentication: {mode: required}`);
    expect(textOf(SHOP + toDb(WEB), SHOP + asking)).toContain(
      "  - shop/pod/web -> shop/pod/db: all ports (ingress: none before, mutual authentication after)",
    );
    expect(textOf(SHOP + asking, SHOP + toDb(WEB)).at(-1)).toBe("Connections: 1 opened, 0 closed.");
  });

  test("prefixes are cut where either side cuts them", () => {
    const prefix = (cidr: string) => toDb(`fromCIDRSet: [${cidr}]`);
    const lines = textOf(
      SHOP + prefix("{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}"),
      SHOP + prefix("{cidr: 10.0.0.0/9}"),
    );
    expect(lines).toContain("  + 10.1.0.0/16 -> shop/pod/db: all ports");
    expect(lines).toContain("  - 10.0.0.0/8 -> shop/pod/db: all ports");
    expect(lines.at(-1)).toBe("Connections: 1 opened, 1 closed.");
  });

  test("pods that nobody described are asked for, in namespaces that nobody described too", () => {
    const someday = toDb("fromEndpoints: [{matchLabels: {app: report}}]");
    expect(textOf(SHOP + toDb(WEB), SHOP + someday)).toContain(
      "  + shop/any pod with app=report -> shop/pod/db: all ports",
    );
    const labelled = (team: string) =>
      toDb(`fromEndpoints: [{matchLabels: {"k8s:io.cilium.k8s.namespace.labels.team": ${team}}}]`);
    expect(textOf(SHOP + labelled("a"), SHOP + labelled("b"))).toContain(
      "  + any other namespace/any pod with namespace's team=b -> shop/pod/db: all ports",
    );
  });

  test("a workload of one side alone is supposed on the other, one whose labels change is told", () => {
    const lines = textOf(SHOP + toDb(WEB), SHOP.replace("app: web", "app: site") + toDb(WEB) + pod("job", "app: web"));
    expect(lines).toContain("only after, and supposed to have been there before: shop/pod/job");
    expect(lines).toContain("seen as another than before, by labels, ports or addresses: shop/pod/web");
    expect(lines.find((line) => line.startsWith("  - shop/pod/web"))).toBe(
      "  - shop/pod/web -> shop/pod/db: all ports",
    );
    expect(lines.join("\n")).not.toContain("+ ");
  });

  test("what hangs on labels of a namespace that neither side declares is unknown, and the label is named", () => {
    const undeclared = SHOP.replaceAll("shop", "store").replace(/apiVersion: v1\nkind: Namespace.*\n.*\n/, "");
    const labelled = toDb(`fromEndpoints: [{matchLabels: {"k8s:io.cilium.k8s.namespace.labels.team": a}}]`);
    const diff = diffOf(inventory(SHOP + undeclared + toDb(WEB)), inventory(SHOP + undeclared + labelled));
    const unknown = diff.groups.filter(({ missing }) => missing !== undefined);
    expect(unknown.map(({ missing }) => missing)).toEqual([
      "the labels of namespace store: policies look at team, and no Namespace object says it",
    ]);
  });

  test("rules that cannot stand together make it unknown", () => {
    const both =
      toDb(`${WEB}, authentication: {mode: required}`) +
      toDb(`${WEB}, authentication: {mode: disabled}`).replace("name: db", "name: other");
    const lines = textOf(SHOP + toDb(WEB), SHOP + both);
    expect(lines.find((line) => line.startsWith("  ?"))).toContain("missing is rules that can stand together");
  });

  test("every form tells the same changes", () => {
    const diff = diffOf(inventory(SHOP + toDb(WEB)), inventory(SHOP + toDb("fromCIDR: [10.0.0.0/8]")));
    expect(diffMarkdown(diff)).toContain("| 10.0.0.0/8 | shop/pod/db | all ports |");
    expect(diffMarkdown(diff)).toContain("### Network policy: Connections: 1 opened, 1 closed.");
    const { connections, groups } = JSON.parse(diffJson(diff)) as { connections: object; groups: unknown[] };
    expect(connections).toEqual({ opened: 1, closed: 1, edited: 0, unknown: 0 });
    expect(groups).toContainEqual({
      from: [{ name: "10.0.0.0/8", kind: "outside" }],
      to: [{ name: "shop/pod/db", kind: "workload" }],
      changes: [{ kind: "opened", protocol: "ANY", first: 0, last: 65_535 }],
    });
    expect(diffSvg(diff)).toMatch(/stroke:#2a8a3e[^>]*><title>opened: 10\.0\.0\.0\/8 -&#62; shop\/pod\/db: all ports/);
  });
});

test("a namespace of which the files hold nothing, and which a policy names, has pods too", () => {
  const web = (more: string) =>
    SHOP + policy("web", `{endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [host]}${more}]}`);
  const toDns = "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, app: dns}}]}";
  expect(textOf(web(""), web(`, ${toDns}`))).toContain(
    "  + shop/pod/web -> kube-system/any pod with app=dns: all ports",
  );
  const byName = (more: string) => `${SHOP}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}${more}]}]}
`;
  const named = ", {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}";
  expect(textOf(byName(""), byName(named))).toContain("  + ops/any other pod -> shop/pod/db: all ports");
});
