/** `bin/shieldgate policy`: the policy engine at the command line. Needs neither root nor a lab. */
import { extname } from "node:path";
import { Command } from "commander";
import type { ManifestText } from "../prove/manifest.ts";
import type { ClusterChoice, ClusterReader } from "./policy/cluster-inventory.ts";
import type { DiffCommandOptions } from "./policy/diff.ts";
import { evaluate } from "./policy/eval.ts";
import type { ExplainOptions } from "./policy/explain.ts";
import { FLOW_COMMANDS } from "./policy/flow-commands.ts";
import { openText } from "./policy/input.ts";
import type { LintCommandOptions } from "./policy/lint.ts";
import { collect, manifestOptions } from "./policy/manifest-options.ts";
import type { MatrixCommandOptions } from "./policy/matrix.ts";
import type { TestCommandOptions } from "./policy/test.ts";
import { validate } from "./policy/validate.ts";

const program = new Command("shieldgate policy")
  .description("Judge connections and check policies with the policy engine alone: no root, no lab.")
  .showHelpAfterError("(--help says more)");

/** A reader that has seen enough, `head` for one, is no fault: what is left unsaid is not missed. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

function complain(text: string): void {
  process.stderr.write(`shieldgate policy: ${text}\n`);
}

program
  .command("eval")
  .description("answer scenarios: JSON lines in, one scenario a line; JSON lines out, one answer a query")
  .argument("[FILE]", "where the scenarios are; - is standard input", "-")
  .option("--explain", "say with each verdict which rules lost, which just missed, and why")
  .addHelpText(
    "after",
    `
A scenario is a small world, its policies and what is asked (examples/02-policy-library has one):
  {"id": "s1", "policies": [{…} or "YAML text"],
   "endpoints": [{"name": "web", "namespace": "default", "labels": {"app": "web"}}],
   "queries": [{"id": "q1", "from": "web", "to": "192.0.2.1", "port": 443, "proto": "TCP"}]}
A policy that is refused gives an answer with the id !policy; the others stand.
A line that is no scenario is named on standard error; the other lines are answered, and the exit code is 1.`,
  )
  .action(async (file: string, { explain = false }: { explain?: boolean }) => {
    const told = (error: Error) => Promise.reject(new Error(`${file}: ${error.message}`));
    const isComplete = async () => evaluate(openText(file), process.stdout, { explain, complain });
    process.exitCode = (await isComplete().catch(told)) ? 0 : 1;
  });

program
  .command("validate")
  .description("say everything that is wrong or strange with policies, with file, line and field")
  .argument("<FILE...>", "YAML (of one or more documents) or JSON; - is standard input")
  .addHelpText(
    "after",
    `
Reads CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy and lists of them.
Refuses what Cilium 1.20.2 refuses, and fields that the kind does not have. Warns of what is accepted and means nothing.
The exit code is 1 when there are errors; warnings alone leave it 0.`,
  )
  .action(async (files: string[]) => {
    process.exitCode = (await validate(files, process.stdout, complain)) ? 0 : 1;
  });

manifestOptions(program.command("explain"))
  .description("say whether one may reach another under the policies of plain manifests, and by which rule and line")
  .option("--from <WHO>", "who asks")
  .option("--to <WHO>", "who is asked, with :PORT or :PORT/udp behind it")
  .option("--to-any", "list everybody whom --from can reach, instead of --to")
  .option("--from-any", "list everybody who can reach --to, instead of --from")
  .option("--port <PORT>", "number or name of the port, where --to does not say it")
  .option("--proto <NAME>", "TCP (default), UDP or SCTP")
  .option("--icmp <TYPE>", "an ICMP message instead of a port: a type or its name, EchoRequest")
  .option("--icmpv6 <TYPE>", "the same for ICMPv6")
  .option("--http <REQUEST>", "the request: 'GET /path' or 'GET http://host/path'")
  .option("--header <LINE>", "a header of the request: 'Name: value'; may be given again", collect)
  .option("--dns <NAME>", "the name that is asked for (--to a DNS server)")
  .option("--sni <NAME>", "the server name in the client's TLS hello")
  .option("--address <NAME=IP>", "an address of a name outside; may be given again", collect)
  .option("-o, --output <FORMAT>", "text or json", "text")
  .addHelpText(
    "after",
    `
WHO is a workload or service (NAME, NAMESPACE/NAME, KIND/NAME, NAMESPACE/KIND/NAME: shop/deploy/cart, svc/cart:80), labels
(k8s:app=cart,k8s:tier=back), an address or prefix (10.1.2.3:443, 10.0.0.0/8:443), a name outside (fqdn:api.github.com:443) or
an entity (entity:world, host, remote-node, kube-apiserver, ingress, health, init, unmanaged). A service leads to its pods, at its target port.
In names * stands for any part (shop/*, shop/deploy/api-*): everybody who is called so; where they differ the verdict is unknown.
  shieldgate policy explain --from tiefighter --to deathstar:80 --http 'POST /v1/request-landing' -f manifests/
  helm template ./chart | shieldgate policy explain --from web --to db:5432 -f -
  kubectl get -A -o yaml deploy,sts,ds,pod,svc,ns,cnp,ccnp,netpol | shieldgate policy explain --from a/web --to b/db:5432 -f -
Exit code: 0 allowed, 1 denied, 2 unknown (the missing fact is named) or an error.`,
  )
  .action((paths: string[], options: ExplainOptions) =>
    prove(async () =>
      (await import("./policy/explain.ts")).explainCommand(paths, options, process.stdout, complain, readCluster),
    ),
  );

for (const [name, what, formats] of [
  ["matrix", "a table of who can reach whom, with ports", "table, csv or json"],
  ["graph", "the same as a picture", "dot, mermaid or svg"],
] as const) {
  manifestOptions(program.command(name))
    .description(`${what}, under the policies of plain manifests`)
    .option("--l7", "say what requests must be where a proxy judges them (json always does)")
    .option(
      "--exposure",
      "ask for pods too that nobody described: in each namespace one without labels, and those that rules speak of",
    )
    .option("--with-hooks", "Pods and Jobs of Helm's hooks too, which run for a short time")
    .option("-o, --output <FORMAT>", formats)
    .addHelpText(
      "after",
      "\nWorkloads that policy cannot tell apart share a row. Exit code: 0, or 2 where the input cannot be trusted.",
    )
    .action((paths: string[], options: MatrixCommandOptions) =>
      prove(async () => {
        const { GRAPHS, matrixCommand, TABLES } = await import("./policy/matrix.ts");
        return matrixCommand(paths, options, name === "graph" ? GRAPHS : TABLES, process.stdout, complain, readCluster);
      }),
    );
}

manifestOptions(
  program.command("diff"),
  "files, folders or globs of both sides; with --base as they were and as they are",
)
  .description("say what becomes possible, and what no longer is, when one set of manifests takes the place of another")
  .option(
    "--base <REVISION>",
    "compare the paths as they are at this revision of git with what they are now (or with --at)",
  )
  .option("--before <PATH>", "of the one side alone; may be given again", collect)
  .option("--after <PATH>", "of the other side alone; may be given again", collect)
  .option("--fail-on <WHAT>", "opened, closed or any: then the exit code is 1")
  .option("--replace", "with a cluster: its policies are those of the paths alone")
  .option("-o, --output <FORMAT>", "text, json, markdown or svg", "text")
  .addHelpText(
    "after",
    `
Asks for everybody whom either side describes and for everybody whom a policy of either side could tell from the others: pods that
nobody described yet, addresses and names outside, entities. What is on one side alone is supposed on the other too.
  shieldgate policy diff --base origin/main k8s/
  shieldgate policy diff --before old.yaml --after new.yaml -f workloads.yaml --fail-on opened
  shieldgate policy diff --context prod k8s/
Exit code: 0, 1 with --fail-on and such a change, 2 where something is unknown or the input cannot be trusted.`,
  )
  .action((paths: string[], options: DiffCommandOptions) =>
    prove(async () =>
      (await import("./policy/diff.ts")).diffCommand(paths, options, process.stdout, complain, readCluster),
    ),
  );

manifestOptions(program.command("lint"))
  .description("say what is wrong or strange with policies, seen together with the workloads that they are for")
  .option("--with-hooks", "ask for policies of Helm's hooks too, which run for a short time (SG014)")
  .option("--strict", "warnings make the exit code 1 too")
  .option(
    "--fix",
    "mend the files: what has no effect goes, proven by diff (SG003, SG004, SG006, SG017, SG021); SG007 and SG011, telling what it opens",
  )
  .option("-o, --output <FORMAT>", "text, json, sarif or github", "text")
  .addHelpText(
    "after",
    `
docs/lint/ has a page on each code. To say that something is wanted so, with the reason:
  # shieldgate:ignore SG010 partners come from everywhere        (on the line, or above it)
  metadata: {annotations: {policy.shieldgate.io/ignore: "SG010: partners come from everywhere"}}
Exit code: 0, 1 with an error, 2 where the input cannot be trusted.`,
  )
  .action((paths: string[], options: LintCommandOptions) =>
    prove(async () =>
      (await import("./policy/lint.ts")).lintCommand(paths, options, process.stdout, complain, readCluster),
    ),
  );

manifestOptions(program.command("test"), "files of tests (*.policytest.yaml), or folders with them")
  .description("check what policies must allow and deny, as files of tests say it")
  .option("-o, --output <FORMAT>", "text, json, junit, tap or github", "text")
  .option("--filter <TEXT>", "only tests whose name holds this text")
  .option("--watch", "run them again whenever a file changes")
  .option("--init <FILE>", "write a first file of tests from what the manifests (PATH or -f) allow now")
  .addHelpText(
    "after",
    `
A file of tests; its manifests are those of -f, else those it names, else those of its own folder:
  manifests: [workloads.yaml, policies.yaml]
  tests:
    - {name: the cart uses its store, from: cart, to: "cart-store:6379", expect: allow}
    - {from: edge/gateway, to: "svc/frontend:80", http: DELETE /cart, expect: deny-l7}
    - {from: [ads, email], to: cart-store, ports: [6379, 53/udp], expect: deny}
    - name: by and by
      table:
        - [frontend, "cart:7070", allow]
        - ["entity:world", "cart:7070", deny]
    - {name: nobody else, to: "cart-store:6379", only: [cart]}
    - {from: "shop/*", to: "payment:22", expect: deny, policy: shop/closed}
expect is allow, deny (by whatever), deny-l7 (the proxy refuses the request) or unknown; from and to are written as for explain.
policy is one that must be among those that decide (NAME, NAMESPACE/NAME), of several in a list one.
Exit code: 0 passed, 1 failed, 2 where a test cannot be asked or the input cannot be trusted.`,
  )
  .action((paths: string[], options: TestCommandOptions) =>
    prove(async () =>
      (await import("./policy/test.ts")).testCommand(paths, options, process.stdout, complain, readCluster),
    ),
  );

for (const [name, what] of Object.entries(FLOW_COMMANDS)) {
  const main = besideThis("policy-flows");
  program
    .command(name)
    .description(what)
    .argument("[WORD...]")
    .helpOption(false)
    .allowUnknownOption()
    .action(() => import(main).then(() => undefined));
}

/** A bundle that is loaded only where it is needed. */
function besideThis(name: string): string {
  return new URL(`./${name}${extname(import.meta.filename)}`, import.meta.url).href;
}

/** What speaks to servers is a bundle of its own. */
async function readCluster(choice: ClusterChoice): Promise<readonly ManifestText[]> {
  const source = (await import(besideThis("policy-cluster"))) as { readCluster: ClusterReader };
  return source.readCluster(choice);
}

/** Of commands whose exit code is an answer: 2 says that there is none. */
async function prove(run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    complain((error as Error).message);
    process.exitCode = 2;
  }
}

program.parseAsync().catch((error: Error) => {
  complain(error.message);
  process.exitCode = Object.hasOwn(FLOW_COMMANDS, process.argv[2] ?? "") ? 2 : 1;
});
