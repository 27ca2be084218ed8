import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kubectls } from "../support/kubectl.ts";
import { ROOT, TestLab } from "../support/lab.ts";

const LAND = "curl -s -XPOST deathstar.default.svc.cluster.local/v1/request-landing";
const EXHAUST = "curl -s -XPUT deathstar.default.svc.cluster.local/v1/exhaust-port";
const DENIED_BY_TIMEOUT = 28;

// its streams over SPDY are held by the tests of exec and attach
const programs = kubectls().filter(({ variables }) => Object.keys(variables).length === 0);
describe.each(programs)("the Star Wars lab with $label", ({ directory, variables, missing }) => {
  const lab = new TestLab(`t${process.pid}`);
  let xwing = "";
  let deathstar = "";

  beforeAll(async () => {
    if (missing !== undefined) return;
    await lab.up();
    if (directory !== undefined) lab.prependPath(directory);
    lab.set(variables);
  });
  afterAll(() => lab.down().then(() => {}));

  const step = (name: string, body: () => Promise<void>) =>
    test(name, async (context) => {
      if (missing !== undefined) context.skip(missing);
      await body();
    });

  step("1. apply the app: every pod runs, both death stars on different workers", async () => {
    const applied = await lab.ok("kubectl apply -f http-sw-app.yaml");
    expect(applied).toBe(
      "service/deathstar created\ndeployment.apps/deathstar created\npod/tiefighter created\npod/xwing created\n",
    );
    await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
    await lab.ok("kubectl rollout status deployment/deathstar --timeout=30s");
    const pods = await lab.ok("kubectl get pod --show-labels");
    expect(pods.trim().split("\n")).toHaveLength(5);
    expect(pods).toMatch(
      /^deathstar-[a-z0-9]+-[a-z0-9]{5} +1\/1 +Running +0 +\S+ +app.kubernetes.io\/name=deathstar,class=deathstar,org=empire,pod-template-hash=[a-z0-9]+$/m,
    );
    expect(pods).toMatch(
      /^tiefighter +1\/1 +Running +0 +\S+ +app.kubernetes.io\/name=tiefighter,class=tiefighter,org=empire$/m,
    );
    expect(pods).toMatch(/^xwing +1\/1 +Running +0 +\S+ +app.kubernetes.io\/name=xwing,class=xwing,org=alliance$/m);
    const nodes = await lab.ok("kubectl get pod -l class=deathstar -o jsonpath='{.items[*].spec.nodeName}'");
    expect(nodes.trim().split(" ").sort()).toEqual(["k8s-w1", "k8s-w2"]);
  });

  step("1. deployment, service and endpoints", async () => {
    const out = await lab.ok("kubectl get deploy,svc,ep deathstar");
    expect(out).toMatch(/deployment.apps\/deathstar +2\/2 +2 +2 /);
    expect(out).toMatch(/service\/deathstar +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP/);
    expect(out).toMatch(/endpoints\/deathstar +172\.20\.[12]\.\d+:80,172\.20\.[12]\.\d+:80/);
  });

  step("1. Cilium's own objects", async () => {
    const endpoints = await lab.eventually("kubectl get ciliumendpoints.cilium.io -A", /xwing.*ready/);
    expect(endpoints).toMatch(/^NAMESPACE +NAME +SECURITY IDENTITY +ENDPOINT STATE +IPV4 +IPV6/);
    for (const name of ["deathstar-", "tiefighter", "xwing", "coredns-"]) {
      expect(endpoints).toMatch(new RegExp(`${name}\\S* +\\d+ +ready +172\\.20\\.`));
    }
    const identities = await lab.ok("kubectl get ciliumidentities.cilium.io");
    expect(identities).toMatch(/^NAME +NAMESPACE +AGE/);
    expect(identities.match(/ default +/g)).toHaveLength(3); // both death stars share one
    const id = (pod: string) => lab.ok(`kubectl get cep ${pod} -o jsonpath='{.status.identity.id}'`);
    xwing = await id("xwing");
    const pods = (await lab.ok("kubectl get pod -l class=deathstar -o name")).trim().split("\n");
    deathstar = await id(pods[0]!.slice("pod/".length));
    expect(await id(pods[1]!.slice("pod/".length))).toBe(deathstar);
  });

  step("1. Cilium's daemon sets and their configuration", async () => {
    const sets = await lab.ok("kubectl get ds -n kube-system");
    expect(sets).toMatch(/^cilium +3 +3 +3 +3 +3 +kubernetes.io\/os=linux/m);
    expect(sets).toMatch(/^cilium-envoy +3 +3 +3 +3 +3 +kubernetes.io\/os=linux/m);
    const envoys = await lab.ok("kubectl get pod -n kube-system -l k8s-app=cilium-envoy -owide");
    for (const [ip, node] of [
      ["100", "k8s-ctr"],
      ["101", "k8s-w1"],
      ["102", "k8s-w2"],
    ]) {
      expect(envoys).toMatch(new RegExp(`Running .* 192\\.168\\.10\\.${ip} +${node}`));
    }
    const described = await lab.ok("kc describe ds -n kube-system cilium-envoy");
    expect(described).toMatch(/\/sys\/fs\/bpf from bpf-maps/);
    expect(described).toMatch(/\/var\/run\/cilium\/envoy\/ from envoy-config/);
    expect(described).toMatch(/artifacts from envoy-artifacts/);
    expect(described).toMatch(/sockets from envoy-sockets/);
    expect(described).toMatch(/Name: +cilium-envoy-config/);
    const config = await lab.ok("kc describe cm -n kube-system cilium-envoy-config");
    expect(config).toContain("bootstrap-config.json");
    expect(config).toContain("/var/run/cilium/envoy/sockets/admin.sock");
  });

  step("1. the proxy really runs with the configuration of the ConfigMap", async () => {
    const dump = await lab.ok(
      "kubectl exec -n kube-system ds/cilium -c cilium-agent -- curl -s --unix-socket /var/run/cilium/envoy/sockets/admin.sock http://admin/config_dump",
    );
    const text = await lab.ok(
      "kubectl get cm -n kube-system cilium-envoy-config -o jsonpath='{.data.bootstrap-config\\.json}'",
    );
    const bootstrap = JSON.parse(text) as { admin: unknown };
    const configs = (JSON.parse(dump) as { configs: { bootstrap?: { admin?: unknown } }[] }).configs;
    expect(configs.find((entry) => entry.bootstrap !== undefined)?.bootstrap?.admin).toEqual(bootstrap.admin);
  });

  step("1. unix sockets between agent and proxy", async () => {
    const sockets = await lab.ok("kubectl exec -n kube-system ds/cilium -c cilium-agent -- ss -xnp");
    expect(sockets).toMatch(/ESTAB.*\/var\/run\/cilium\/envoy\/sockets\/xds\.sock.*\("cilium-agent",pid=1,/);
    expect(sockets).toMatch(/ESTAB.*\/var\/run\/cilium\/envoy\/sockets\/admin\.sock/);
  });

  step("1. endpoint list: each node its own", async () => {
    const lists = await Promise.all(["c0", "c1", "c2"].map((program) => lab.ok(`${program} endpoint list`)));
    expect(lists[0]).not.toContain("class=deathstar");
    for (const list of lists) {
      expect(list).toMatch(
        /^ENDPOINT +POLICY \(ingress\) +POLICY \(egress\) +IDENTITY +LABELS \(source:key\[=value\]\) +IPv6 +IPv4 +STATUS/,
      );
      expect(list).toMatch(/reserved:host/);
    }
    for (const list of lists.slice(1)) {
      expect(list).toMatch(/Disabled +Disabled +\d+ +k8s:app.kubernetes.io\/name=deathstar +172\.20\.[12]\.\d+ +ready/);
      for (const text of [
        "k8s:class=deathstar",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
        "k8s:io.cilium.k8s.policy.cluster=default",
        "k8s:io.cilium.k8s.policy.serviceaccount=default",
        "k8s:io.kubernetes.pod.namespace=default",
        "k8s:org=empire",
      ]) {
        expect(list).toMatch(new RegExp(`^ +${text.replaceAll(".", "\\.")} *$`, "m"));
      }
    }
    const grep = await lab.ok("for c in c0 c1 c2; do $c endpoint list; done | grep -iE 'xwing|tiefighter|deathstar'");
    expect(grep).toContain("xwing");
  });

  step("2. without policy everyone lands, and both replicas are reached", async () => {
    for (const ship of ["xwing", "tiefighter"]) {
      expect(await lab.ok(`kubectl exec ${ship} -- ${LAND}`)).toBe("Ship landed\n");
    }
    for (let i = 0; i < 12; i++) await lab.ok(`kubectl exec tiefighter -- ${LAND}`);
    for (const pod of (await lab.ok("kubectl get pod -l class=deathstar -o name")).trim().split("\n")) {
      expect(await lab.ok(`kubectl logs ${pod}`)).toContain("/v1/request-landing");
    }
  });

  step("2. monitor and hubble see the packets", async () => {
    const monitors = ["c0", "c1", "c2"].map((program) => lab.watch(`${program} monitor -v -v`));
    const all = lab.watch("hubble observe -f");
    const fromXwing = lab.watch(`hubble observe -f --from-identity ${xwing}`);
    const udp = lab.watch(`hubble observe -f --from-identity ${xwing} --protocol udp`);
    const tcp = lab.watch(`hubble observe -f --from-identity ${xwing} --protocol tcp`);
    const replies = lab.watch(`hubble observe -f --protocol tcp --from-identity ${deathstar}`);
    await Promise.all(monitors.map((monitor) => monitor.until(/Press Ctrl-C to quit/)));
    await new Promise((resolve) => setTimeout(resolve, 1000)); // the followers have no banner
    await lab.ok(`kubectl exec xwing -- ${LAND}`);
    await all.until(
      /default\/xwing:\d+ \(ID:\d+\) -> default\/deathstar-\S+:80 \(ID:\d+\) to-endpoint FORWARDED \(TCP Flags: SYN\)/,
    );
    await fromXwing.until(/default\/xwing:\d+ \(ID:\d+\) (->|<>) kube-system\/coredns-\S+:53 \(ID:\d+\) .* \(UDP\)/);
    await udp.until(/coredns-\S+:53 .*\(UDP\)/);
    await tcp.until(/deathstar-\S+:80 .*TCP Flags: SYN\)/);
    await replies.until(
      /default\/xwing:\d+ \(ID:\d+\) <- default\/deathstar-\S+:80 \(ID:\d+\) to-endpoint FORWARDED \(TCP Flags: SYN, ACK\)/,
    );
    expect(udp.text).not.toContain("TCP Flags");
    expect(tcp.text).not.toContain("UDP");
    // a monitor prints several times as much as hubble does, and later
    await Promise.any(monitors.map((monitor) => monitor.until(new RegExp(`identity ${deathstar}->${xwing}`))));
    const seen = monitors.map((monitor) => monitor.text).join("");
    expect(seen).toMatch(new RegExp(`identity ${xwing}->${deathstar}`));
    expect(seen).toMatch(/SYN=true/);
    expect(seen).toMatch(/SYN=true.*ACK=true|ACK=true.*SYN=true/);
    for (const watch of [...monitors, all, fromXwing, udp, tcp, replies]) watch.stop();
  });

  step("3. the L3/L4 policy: created, valid, shown", async () => {
    expect(await lab.ok("kubectl apply -f sw_l3_l4_policy.yaml")).toBe("ciliumnetworkpolicy.cilium.io/rule1 created\n");
    expect(await lab.eventually("kubectl get cnp", /rule1 +\S+ +True/)).toMatch(/^NAME +AGE +VALID/);
    const object = JSON.parse(await lab.ok("kubectl get cnp -o json")) as {
      items: { spec: Record<string, unknown> }[];
    };
    expect(object.items[0]!.spec["endpointSelector"]).toEqual({ matchLabels: { class: "deathstar", org: "empire" } });
    expect(await lab.ok("kc describe cnp rule1")).toMatch(/Kind: +CiliumNetworkPolicy/);
    const list = await lab.eventually("c1 endpoint list", /Enabled/);
    expect(list).toMatch(/Enabled +Disabled +\d+ +k8s:app.kubernetes.io\/name=deathstar/);
  });

  step("3. xwing's SYN is dropped, and each view says so", async () => {
    const drops = lab.watch("hubble observe -f --type drop");
    const pod = lab.watch("hubble observe -f --pod xwing");
    const verdicts = lab.watch("hubble observe -f --pod tiefighter --type policy-verdict");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const refused = await lab.sh(`kubectl exec xwing -- ${LAND} --connect-timeout 2`);
    expect(refused.stdout).toBe("");
    expect(refused.code).toBe(DENIED_BY_TIMEOUT);
    expect(refused.stderr).toContain("command terminated with exit code 28");
    const drop =
      /default\/xwing:\d+ \(ID:\d+\) <> default\/deathstar-\S+:80 \(ID:\d+\) Policy denied DROPPED \(TCP Flags: SYN\)/;
    await drops.until(drop);
    await pod.until(
      /default\/xwing:\d+ \(ID:\d+\) (<>|->) default\/deathstar-\S+:80 \(ID:\d+\) policy-verdict:none INGRESS DENIED \(TCP Flags: SYN\)[\s\S]*Policy denied DROPPED/,
    );
    expect(await lab.ok(`kubectl exec tiefighter -- ${LAND}`)).toBe("Ship landed\n");
    await verdicts.until(/policy-verdict:L3-L4 INGRESS ALLOWED \(TCP Flags: SYN\)/);
    for (const watch of [drops, pod, verdicts]) watch.stop();
  });

  step("4. layer 4 is not enough", async () => {
    const tcp = lab.watch(`hubble observe -f --protocol tcp --from-identity ${deathstar}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const panic = await lab.ok(`kubectl exec tiefighter -- ${EXHAUST}`);
    expect(panic).toMatch(/^Panic: deathstar exploded\n\ngoroutine 1 \[running\]:/);
    await tcp.until(/FORWARDED \(TCP Flags: /);
    tcp.stop();
  });

  step("5. the L7 policy: landing passes, the exhaust port is forbidden, xwing is still dropped", async () => {
    const http = lab.watch("hubble observe -f --pod deathstar --protocol http");
    const dropped = lab.watch("hubble observe -f --pod deathstar --verdict DROPPED");
    const monitors = ["c1", "c2"].map((program) => lab.watch(`${program} monitor -v --type l7`));
    await Promise.all(monitors.map((monitor) => monitor.until(/Press Ctrl-C to quit/)));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await lab.ok("kubectl apply -f sw_l3_l4_l7_policy.yaml")).toBe(
      "ciliumnetworkpolicy.cilium.io/rule1 configured\n",
    );
    const rules = await lab.eventually("c0 policy get", /request-landing/);
    expect(rules).toMatch(/\nRevision: \d+\n$/);
    JSON.parse(rules.slice(0, rules.lastIndexOf("Revision:")));
    expect(await lab.ok(`kubectl exec tiefighter -- ${LAND}`)).toBe("Ship landed\n");
    expect((await lab.ok(`kubectl exec tiefighter -- ${EXHAUST}`)).trim()).toBe("Access denied");
    const code = await lab.ok(`kubectl exec tiefighter -- ${EXHAUST} -o /dev/null -w '%{http_code}'`);
    expect(code).toBe("403");
    const refused = await lab.sh(`kubectl exec xwing -- ${LAND} --connect-timeout 2`);
    expect([refused.code, refused.stdout]).toEqual([DENIED_BY_TIMEOUT, ""]);
    const url = "http://deathstar\\.default\\.svc\\.cluster\\.local/v1";
    const pair = "default/tiefighter:\\d+ \\(ID:\\d+\\) -> default/deathstar-\\S+:80 \\(ID:\\d+\\)";
    await http.until(new RegExp(`${pair} http-request FORWARDED \\(HTTP/1\\.1 POST ${url}/request-landing\\)`));
    await http.until(
      new RegExp(
        `${pair.replace("->", "<-")} http-response FORWARDED \\(HTTP/1\\.1 200 \\d+ms \\(POST ${url}/request-landing\\)\\)`,
      ),
    );
    await dropped.until(new RegExp(`http-request DROPPED \\(HTTP/1\\.1 PUT ${url}/exhaust-port\\)`));
    const seen = await Promise.any(
      monitors.map((monitor) =>
        monitor.until(
          new RegExp(
            `<- Request http from \\d+ \\(\\[k8s:.*\\]\\) to \\d+ \\(\\[.*\\]\\), identity (\\d+)->(\\d+), verdict Denied PUT ${url}/exhaust-port => 0\\n[\\s\\S]*?<- Response http to \\d+ \\(\\[.*\\]\\) from \\d+ \\(\\[.*\\]\\), identity \\d+->\\d+, verdict Forwarded PUT ${url}/exhaust-port => 403`,
          ),
        ),
      ),
    );
    expect(seen[2]).toBe(deathstar);
    for (const watch of [http, dropped, ...monitors]) watch.stop();
  });

  step("5. the server never saw the forbidden request", async () => {
    for (const pod of (await lab.ok("kubectl get pod -l class=deathstar -o name")).trim().split("\n")) {
      const log = await lab.ok(`kubectl logs ${pod}`);
      expect(log.match(/exhaust-port/g)?.length ?? 0).toBeLessThanOrEqual(1); // the one of step 4
    }
    const all = await lab.ok("kubectl logs -l class=deathstar --tail=-1");
    expect(all.match(/exhaust-port/g)).toHaveLength(1);
  });

  step("5. what policy says of the lab by its kubeconfig is what happened in it", async () => {
    const policy = (args: string) => lab.sh(`${ROOT}/bin/shieldgate policy ${args} --kubeconfig "$KUBECONFIG"`);
    const asked = (from: string, http: string) => policy(`explain --from ${from} --to deathstar:80 --http '${http}'`);
    expect(await asked("tiefighter", "POST /v1/request-landing")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ALLOWED .*cluster\/ciliumnetworkpolicies\/default\/rule1/s),
    });
    expect((await asked("tiefighter", "PUT /v1/exhaust-port")).code).toBe(1);
    expect((await asked("xwing", "POST /v1/request-landing")).stdout).toMatch(/the peer must have org=empire/);
    expect((await policy("matrix")).stdout).toContain(
      "default/pod/tiefighter -> default/deployment/deathstar: TCP 80 (by request)",
    );
    expect((await policy("diff sw_l3_l4_policy.yaml")).stdout).toMatch(/^ +\+ .*tiefighter.* -> .*deathstar: TCP 80/m);
  });

  step("6. clean up", async () => {
    const deleted = await lab.ok("kubectl delete -f http-sw-app.yaml");
    expect(deleted).toMatch(/service "deathstar" deleted/);
    expect(deleted).toMatch(/deployment.apps "deathstar" deleted/);
    expect(deleted).toMatch(/pod "tiefighter" deleted/);
    expect(deleted).toMatch(/pod "xwing" deleted/);
    expect(await lab.ok("kubectl delete cnp rule1")).toMatch(/^ciliumnetworkpolicy.cilium.io "rule1" deleted/);
    expect((await lab.sh("kubectl get cnp")).stderr).toBe("No resources found in default namespace.\n");
    await lab.eventually("kubectl get pod -o name | wc -l", /^0$/m);
    expect((await lab.status()).pods.filter((pod) => pod.namespace === "default")).toEqual([]);
    for (const program of ["c0", "c1", "c2"]) {
      expect(await lab.ok(`${program} endpoint list`)).not.toContain("org=empire");
    }
  });
});
