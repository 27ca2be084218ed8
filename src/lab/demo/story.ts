/** One command of the story and what it must show. */
export interface Scene {
  readonly command: string;
  /** Exit code that it must end with. */
  readonly code: number;
  /** Its output (stdout and stderr) must match each. */
  readonly shows: readonly RegExp[];
  /** Run it again until it shows that, for this many milliseconds; for what becomes true a moment later. */
  readonly patienceMs?: number;
  /** Only lines that match are printed, for commands with long outputs. */
  readonly highlight?: RegExp;
  /** A command that watches while `command` runs; its new lines are shown after it. */
  readonly watch?: { readonly command: string; readonly shows: readonly RegExp[] };
}

export interface Chapter {
  readonly title: string;
  readonly lesson: string;
  readonly scenes: readonly Scene[];
}

const LAND = "curl -s -XPOST deathstar.default.svc.cluster.local/v1/request-landing";
const EXHAUST = "curl -s -XPUT deathstar.default.svc.cluster.local/v1/exhaust-port";

function scene(command: string, ...shows: RegExp[]): Scene {
  return { command, code: 0, shows };
}

const REFUSED: Scene = {
  command: `kubectl exec xwing -- ${LAND} --connect-timeout 2`,
  code: 28,
  shows: [/command terminated with exit code 28/],
};

/** The Star Wars story, chapter by chapter. Commands run in examples/01-star-wars. */
export const STORY: readonly Chapter[] = [
  {
    title: "Two death stars, a TIE fighter, an X-wing",
    lesson: "Four pods on two workers. Each has a security identity made from its labels; both death stars share one.",
    scenes: [
      scene("kubectl apply -f http-sw-app.yaml", /deathstar/, /tiefighter/, /xwing/),
      scene("kubectl wait --for=condition=Ready pod --all --timeout=60s", /pod\/xwing condition met/),
      scene("kubectl get pod -o wide", /deathstar-\S+ +1\/1 +Running[\s\S]*deathstar-\S+ +1\/1 +Running/),
      { ...scene("kubectl get ciliumendpoints.cilium.io", /xwing +\d+ +ready/), patienceMs: 5000 },
    ],
  },
  {
    title: "No policy: everyone lands",
    lesson: "Without a policy that selects it, a pod accepts everybody.",
    scenes: [
      scene(`kubectl exec xwing -- ${LAND}`, /^Ship landed$/m),
      scene(`kubectl exec tiefighter -- ${LAND}`, /^Ship landed$/m),
    ],
  },
  {
    title: "L3/L4 policy: only the empire connects",
    lesson:
      "xwing's labels match no allowed peer: its first packet is dropped, there is no connection, and curl gives up after its timeout (exit code 28).",
    scenes: [
      scene("kubectl apply -f sw_l3_l4_policy.yaml", /rule1 (created|configured|unchanged)/),
      { ...scene("kubectl get cnp", /rule1 +\S+ +True/), patienceMs: 5000 },
      scene(`kubectl exec tiefighter -- ${LAND}`, /^Ship landed$/m),
      {
        ...REFUSED,
        watch: {
          command: "hubble observe -f --pod xwing --type drop --type policy-verdict",
          shows: [/policy-verdict:none INGRESS DENIED \(TCP Flags: SYN\)/, /Policy denied DROPPED \(TCP Flags: SYN\)/],
        },
      },
    ],
  },
  {
    title: "Layer 4 is not enough",
    lesson: "tiefighter may connect to port 80, so it may ask for anything there, the exhaust port too.",
    scenes: [
      { ...scene(`kubectl exec tiefighter -- ${EXHAUST}`, /Panic: deathstar exploded/), highlight: /Panic|goroutine/ },
    ],
  },
  {
    title: "L7 policy: only POST /v1/request-landing",
    lesson:
      "tiefighter connects, so its PUT travels to the proxy, which answers 403; the server never sees it. xwing is still dropped at its SYN. Two refusals, at two layers.",
    scenes: [
      scene("kubectl apply -f sw_l3_l4_l7_policy.yaml", /rule1 configured/),
      {
        ...scene("c0 policy get", /request-landing/, /Revision: \d+/),
        patienceMs: 5000,
        highlight: /path|method|Revision/,
      },
      scene(`kubectl exec tiefighter -- ${LAND}`, /^Ship landed$/m),
      {
        ...scene(`kubectl exec tiefighter -- ${EXHAUST}`, /Access denied/),
        watch: {
          command: "hubble observe -f --pod deathstar --protocol http",
          shows: [
            /http-request DROPPED \(HTTP\/1\.1 PUT \S+\/v1\/exhaust-port\)/,
            /http-response FORWARDED \(HTTP\/1\.1 403/,
          ],
        },
      },
      REFUSED,
    ],
  },
];
