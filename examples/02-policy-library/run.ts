/** Asks the engine who may speak to whom under policy.yaml. Run it with `node run.ts`. */
import { readFileSync } from "node:fs";
import {
  explainConnection,
  identityLabelsOfPod,
  identityNumber,
  type L7Facts,
  originName,
  Protocol,
  parsePolicy,
  Repository,
  readPolicyText,
  reservedIdentities,
  resolveEndpointPolicy,
} from "shieldgate/policy";

// 1. The policies. A text or an object that is not right says everything that is wrong with it.
const repository = new Repository();
const text = readPolicyText(readFileSync(new URL("policy.yaml", import.meta.url), "utf8"));
if (!text.ok) throw new Error(text.errors.map(({ line, message }) => `line ${line}: ${message}`).join("\n"));
for (const { value } of text.documents) {
  const policy = parsePolicy(value);
  if (!policy.ok) throw new Error(policy.errors.map(({ field, message }) => `${field}: ${message}`).join("\n"));
  repository.upsert(policy.key, policy.rules);
}

// 2. The identities: what the labels of a pod make of it, and the reserved ones, such as the world.
for (const [id, labels] of reservedIdentities()) repository.selectors.upsertIdentity(id, labels);
const pods = new Map(["web", "api", "database"].map((app) => [app, pod(app)]));

function pod(app: string) {
  const labels = identityLabelsOfPod({
    namespace: "shop",
    podLabels: { app },
    namespaceLabels: { "kubernetes.io/metadata.name": "shop" },
    serviceAccount: "default",
    cluster: "default",
  });
  const identity = identityNumber(labels);
  repository.selectors.upsertIdentity(identity, labels);
  return { labels, identity, namedPorts: [] };
}

// 3. The questions: both ends of a connection have a say.
function ask(from: string, to: string, port: number, facts?: L7Facts): void {
  const [source, destination] = [pods.get(from)!, pods.get(to)!];
  const { verdict, egress, ingress } = explainConnection(
    {
      policy: resolveEndpointPolicy(repository, source),
      query: { direction: "egress", identity: destination.identity, protocol: Protocol.Tcp, port },
    },
    {
      policy: resolveEndpointPolicy(repository, destination),
      query: { direction: "ingress", identity: source.identity, protocol: Protocol.Tcp, port },
    },
    facts,
  );
  const request = facts?.http === undefined ? "" : ` ${facts.http.method} ${facts.http.path}`;
  console.log(`${from} -> ${to}:${port}${request}: ${verdict}`);
  for (const side of [egress, ingress]) {
    if (side === undefined) continue;
    console.log(`  ${side.text.replace(/identity \d+/, "this identity")}`);
    for (const { rules, why } of side.missed) console.log(`  missed: ${rules.map(originName).join(", ")}: ${why}`);
  }
}

const request = (method: string, path: string): L7Facts => ({ http: { method, path, host: "api", headers: [] } });

ask("web", "api", 8080, request("GET", "/items/7"));
ask("web", "api", 8080, request("DELETE", "/items/7"));
ask("web", "api", 8080);
ask("api", "database", 5432);
ask("web", "database", 5432);
