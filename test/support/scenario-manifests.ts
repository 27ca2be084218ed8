import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import type { Question } from "../../src/prove/answer.ts";

/** A scenario's world as the objects of a cluster. */

type Endpoint = Scenario["endpoints"][number];

/** The scenario without labels that no object gives, and without questions about those who had them. */
export function withoutWhatManifestsCannotSay(scenario: Scenario): Scenario {
  const { cidrLabels: _labels, hostLabels: _host, fqdnCache: _names, ...rest } = scenario;
  const cluster = scenario.config?.clusterName ?? "default";
  const isPlain = (endpoint: Endpoint) => endpoint.rawLabels === undefined && endpoint.cluster === cluster;
  const endpoints = scenario.endpoints.filter(isPlain);
  const gone = scenario.endpoints.filter((endpoint) => !isPlain(endpoint)).map(nameOf);
  const queries = scenario.queries
    .filter(({ from, to }) => !gone.includes(from) && !gone.includes(to))
    .map(({ direction: _direction, ...query }) => query);
  return { ...rest, endpoints, queries };
}

function nameOf({ name, namespace = "default" }: Endpoint): string {
  return `${namespace}/${name}`;
}

/** One list, as `kubectl get -o json` prints it. */
export function manifestsOf({ endpoints, services = [], policies, secrets = {} }: Scenario): string {
  const namespaces = new Map(endpoints.map(({ namespace, namespaceLabels }) => [namespace, namespaceLabels]));
  const items = [
    ...[...namespaces].map(([name, labels]) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } })),
    ...endpoints.map(podOf),
    ...services.flatMap(({ name, namespace, labels, selector, backends = [] }) => [
      { apiVersion: "v1", kind: "Service", metadata: { name, namespace, labels }, spec: { selector } },
      {
        apiVersion: "v1",
        kind: "Endpoints",
        metadata: { name, namespace },
        subsets: [{ addresses: backends.map((ip) => ({ ip })) }],
      },
    ]),
    ...Object.entries(secrets).map(([id, data]) => {
      const [namespace, name] = id.split("/");
      return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: data };
    }),
    ...policies,
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items }, undefined, 1);
}

function podOf({ name, namespace, labels, serviceAccount, namedPorts = [], ips = [] }: Endpoint): object {
  const ports = namedPorts.map(({ name, port, protocol }) => ({ name, containerPort: port, protocol }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: { serviceAccountName: serviceAccount, containers: [{ name: "main", ports }] },
    status: { phase: "Running", podIPs: ips.map((ip) => ({ ip })) },
  };
}

/** A scenario's query as it is asked of manifests. */
export function questionOf({ from, to, port, proto, http, dns, sni }: ScenarioQuery): Question {
  const headers = Object.entries(http?.headers ?? {}).map(([name, value]) => ({ name, value }));
  return {
    from: target(from),
    to: target(to),
    ...(port === undefined ? {} : { port }),
    ...(proto === undefined ? {} : { protocol: proto }),
    facts: {
      ...(http === undefined ? {} : { http: { method: "GET", path: "/", host: "", ...http, headers } }),
      ...(dns === undefined ? {} : { dns }),
      ...(sni === undefined ? {} : { sni }),
    },
  };
}

function target(name: string): string {
  if (name.startsWith("reserved:")) return name.replace("reserved:", "entity:");
  const [namespace, pod] = name.split("/");
  return pod === undefined ? name : `${namespace}/pod/${pod}`;
}
