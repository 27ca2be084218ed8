import { formatCidr } from "../../model/cidr.ts";
import { Protocol, protocolNumber } from "../../model/protocol.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { lookup } from "../../policy/lookup.ts";
import { endpointName, titleOf } from "../cluster.ts";
import { elementsOf, found, inPolicy, type LintContext, type Subject } from "./context.ts";
import type { Finding } from "./finding.ts";

/** A prefix of fewer bits holds a good part of all addresses. */
const WIDE = { 4: 8, 6: 16 } as const;

/** Prefixes that allow nearly everybody, halves of everything included. */
export function widePrefixes(context: LintContext): Finding[] {
  return [...elementsOf(context)].flatMap(({ policy, element }) => {
    if (element.verdict !== "allow") return [];
    return element.peers.flatMap((peer) => {
      if (peer.kind !== "cidr" || peer.cidr.length >= WIDE[peer.cidr.family] || peer.except.length > 0) return [];
      const side = element.direction === "ingress" ? "comes from" : "goes to";
      const message = `allows what ${side} ${formatCidr(peer.cidr)}, which is ${peer.cidr.length === 0 ? "every address" : "a good part of all addresses"} outside the cluster`;
      return [
        inPolicy(
          "SG010",
          policy,
          element.path,
          message,
          "name the prefixes that are meant, or toFQDNs; say why with a suppression where the world is meant",
        ),
      ];
    });
  });
}

/** Ports of databases and stores, by the name of their protocol. */
const DATABASES: Readonly<Record<number, string>> = {
  1433: "SQL Server",
  1521: "Oracle",
  2379: "etcd",
  3306: "MySQL",
  5432: "PostgreSQL",
  5984: "CouchDB",
  6379: "Redis",
  8086: "InfluxDB",
  9042: "Cassandra",
  9200: "Elasticsearch",
  11211: "memcached",
  26257: "CockroachDB",
  27017: "MongoDB",
};

function ingressOf({ cluster }: LintContext, { workload }: Subject) {
  const somebody = cluster.engine.world.find(`${workload.namespace}/${endpointName(workload)}`)!;
  const policy = cluster.engine.policyOf(somebody);
  return policy instanceof PolicyConflict ? undefined : policy;
}

/** No rule need let anybody in: no policy speaks of it, or none of those that do turns default deny on. */
function isOpenByDefault(policy: ComputedPolicy): boolean {
  if (!policy.ingressEnforced) return true;
  const { verdict, origins } = lookup(policy, {
    direction: "ingress",
    identity: NOBODY,
    protocol: Protocol.Tcp,
    port: 1,
  });
  return verdict !== "deny" && origins.every(({ kind }) => kind === "");
}

/** An identity that no selector selects. */
const NOBODY = -1;

/** Stores that the world may reach because a rule lets it. */
export function openDatabases(context: LintContext): Finding[] {
  const world = context.cluster.engine.world.find("reserved:world")!;
  return context.subjects.flatMap((subject) => {
    const { workload } = subject;
    const policy = ingressOf(context, subject);
    if (policy === undefined || isOpenByDefault(policy)) return [];
    return workload.ports.flatMap(({ port, protocol }) => {
      const database = DATABASES[port];
      if (database === undefined || protocol !== "TCP") return [];
      const { verdict, origins } = lookup(policy, {
        direction: "ingress",
        identity: world.identity,
        protocol: protocolNumber(protocol)!,
        port,
      });
      if (verdict === "deny") return [];
      const by = origins
        .map((origin) => context.cluster.locate(origin))
        .map(({ policy: name, path, file, line }) => `${name} ${path} (${file}:${line})`);
      const message = `${database} on port ${port} of ${titleOf(workload)} is open to the world, by ${by.join(", ")}`;
      return [found("SG013", workload.object, "", message, "let in the workloads that need it, and nobody else")];
    });
  });
}

/** Workloads of which no policy speaks at ingress: everybody may reach them. */
export function unprotectedWorkloads(context: LintContext): Finding[] {
  if (context.inventory.policies.length === 0) return [];
  return context.subjects.flatMap((subject) => {
    const policy = ingressOf(context, subject);
    if (policy === undefined || !isOpenByDefault(policy)) return [];
    const { workload } = subject;
    if (workload.isHook && !context.hooks) return [];
    const store = workload.ports.find(({ port }) => DATABASES[port] !== undefined);
    const what = store === undefined ? "" : `, its ${DATABASES[store.port]} on port ${store.port} included`;
    const why = policy.ingressEnforced ? "turns default deny on for what it receives" : "speaks of what it receives";
    const message = `no policy ${why}: everybody may reach it${what}`;
    return [
      found(
        "SG014",
        workload.object,
        "",
        message,
        "select it in a policy with an ingress section; `ingress: [{}]` closes it",
      ),
    ];
  });
}
