const OUTPUTS = ["json", "yaml"];

/** Commands whose answer is printed in every format. */
const PRINTED = `endpoint list
endpoint get 871
endpoint get 16
endpoint log 871
endpoint health 871
endpoint config 871
identity list
identity list --endpoints
identity get 318
ip list
ip get -l k8s:org=empire
node list
nodeid list
service list
policy get
policy selectors
policy subject-selectors
fqdn cache list
map list
map get sg_ipcache
map get sg_policy
config
config -r
config -a
status
lrp list`;

/** Each is one question; a word with blanks in it stands in single quotes. */
const LINES = `monitor --type foo
monitor --type Drop
monitor --from x
monitor --related-to 70000
monitor --to 1,2
monitor 871
-H nowhere endpoint list
--host nowhere identity list
endpoint list -H
--bogus endpoint list
endpoint --bogus list
endpoint ls --no-headers
endpoint list -o bogus
endpoint list -o jsonpath={[*].id}
endpoint list -o 'jsonpath={range [*]}{.id}{"\\t"}{.status.state}{"\\n"}{end}'
endpoint list -o 'jsonpath={range [*]}{.status.labels.security-relevant[*]}{" | "}{end}done'
endpoint list -o jsonpath={[?(@.id==871)].status.networking.addressing[0].ipv4}
endpoint list -o jsonpath={[?(@.id>3000)].id}
endpoint list -o jsonpath={[?(@.status.health.bpf=="OK")].id}
endpoint list -o jsonpath={[0,1].id}
endpoint list -o jsonpath={[-1].id}
endpoint list -o jsonpath={[1:5:2].id}
endpoint list -o jsonpath={[9].id}
endpoint list -o jsonpath={[0].spec.options}
endpoint list -o jsonpath={[0].spec.options.Level}
endpoint list -o jsonpath={[0].status.health}
endpoint list -o jsonpath={[0].status.labels.security-relevant}
endpoint list -o jsonpath={[0].nothing}
endpoint list -o "jsonpath={[0]['id']}"
endpoint list -o jsonpath={..ipv6}
endpoint list -o jsonpath={[0].status.external-identifiers.*}
endpoint list -o jsonpath=plain
endpoint list -o jsonpath=
endpoint list -o jsonpath={
endpoint list -o jsonpath={[}
endpoint list -o jsonpath={[a]}
endpoint list -o jsonpath={"a}
endpoint list -o jsonpath={end}
endpoint list -o jsonpath={%}
endpoint list -o jsonpath={foo}
endpoint list -o jsonpath={[?(@.id==871]}
endpoint get ipv4:172.20.1.20 -o jsonpath={[0].id}
endpoint get -l k8s:org=empire
endpoint get -l k8s:org=rebels
endpoint get 871 -l a
endpoint get
endpoint get foo:1
endpoint get 99
endpoint get 70000
endpoint get 5
endpoint log 99
endpoint log
endpoint health 16
endpoint health 99
endpoint labels 871
endpoint labels 871 -a a=b
endpoint labels 99
endpoint labels
endpoint config 871
endpoint config 871 PolicyAuditMode=true
endpoint config 871 policyauditmode=off MonitorAggregationLevel=max
endpoint config 871 bogus=1
endpoint config 871 Debug
endpoint config 871 Debug=perhaps
endpoint config 871 !Debug=1
endpoint config 12 Debug=true
endpoint config 99
endpoint config
endpoint disconnect 871
endpoint disconnect 12
endpoint
endpoint lst
endpoint list extra words
identity list reserved:world
identity list a b=c
identity get --label reserved:world
identity get --label a,b=c
identity get 9999
identity get x
identity get
ip list -n
ip list -v
ip ls -nv
ip get 172.20.0.0/16
ip get 1.0.0.0/8
ip get 1.2.3.4
ip get
ip get x -l a
ip get -l k8s:org=empire -v
policy selectors -v
policy wait
policy wait x
fqdn cache list -p *.example.com
fqdn cache list -e 871 -s lookup
fqdn cache list -e 99
fqdn cache list -s x
fqdn cache clean -f
fqdn names
map list --verbose
map get sg_empty
map get none
map get
map events sg_ipcache
map events
config Debug=true
config PolicyAuditMode=enable MonitorAggregationLevel=none PolicyEnforcement=always
config bogus=1
config MonitorAggregationLevel=loud
config Debug
config get EnableIPv4
config get enable-ipv4
config get Devices
config get MTU
config get policyenforcement
config get level
config get nothing
config get bogus
config get
status --brief
status --brief --require-k8s-connectivity=false
status --all-addresses
status --timeout nonsense
prefilter list
prefilter update --cidr 10.0.0.0/8,192.0.2.0/24 --cidr 198.51.100.0/24 --revision 3
prefilter update --cidr 10.0.0.0
prefilter update
prefilter delete --cidr 10.0.0.0/8
prefilter delete --revision x
statedb
sysdump
encrypt status
encrypt status -o json
encrypt status -o yaml
encrypt status -o bogus
map events sg_ipcache -f
map events sg_ipcache -o json
cgroups list
cgroups list -o json
bgp peers
bgp peers -c
bgp neighbors -o json
bgp routes
bgp routes -o json
bgp routes available
bgp routes available ipv4
bgp routes available ipv4 unicast
bgp routes advertised ipv6 unicast vrouter 65001 peer 2001:db8::1
bgp routes advertised ipv4 unicast neighbor 10.0.0.1
bgp routes advertised ipv4 unicast peer nobody
bgp routes advertised ipv4 unicast peer
bgp routes advertised ipv4 unicast friend
bgp routes available ipv4 unicast vrouter
bgp routes available ipv4 unicast vrouter x
bgp routes none
bgp routes available ipv5
bgp routes available ipv4 some
bgp route-policies
bgp rps vrouter 65001
bgp route-policies router
debuginfo --output json
debuginfo --output jsonpath={.kernel-version}
debuginfo --output jsonpath
debuginfo --output html
debuginfo --output bogus
debuginfo --output-directory /nonexistent
debuginfo --file-per-command --output JSON
bpf ct list cluster
bpf ct list other
bpf ipcache get
bpf ipcache get x
bpf ipcache get 10.0.0.0/8
bpf ipcache match
bogus
statu
endpoint list --bogus
endpoint list -x
endpoint list -o
policy wait --sleep-time x 1
service list --clustermesh-affinity`;

/** Commands whose help is upstream's; those above them list what is not here as well. */
const HELPED = `endpoint
endpoint list
endpoint get
endpoint log
endpoint health
endpoint labels
endpoint config
endpoint disconnect
identity
identity list
identity get
ip
ip list
ip get
node
node list
nodeid
nodeid list
service
service list
policy
policy get
policy selectors
policy subject-selectors
policy wait
fqdn cache
fqdn cache list
fqdn cache clean
fqdn names
map
map list
map get
config get
status
version
lrp
lrp list
prefilter list
prefilter
prefilter update
prefilter delete
cgroups
cgroups list
bgp
bgp peers
bgp routes
bgp route-policies
encrypt status
map events
metrics
metrics list
shell
statedb
sysdump
debuginfo
bpf ipcache get
bpf ipcache match
bpf policy list`;

/** Words of a line; single or double quotes around a word are taken away. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*\[[^"]*)"(?= |$)|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? "",
  );
}

const lines = [
  ...PRINTED.split("\n").flatMap((line) => [line, ...OUTPUTS.map((output) => `${line} -o ${output}`)]),
  ...LINES.split("\n"),
  ...HELPED.split("\n").map((line) => `${line} --help`),
  "help endpoint list",
  "endpoint -h",
  "fqdn",
];

/** What the command is asked for, beside the answers of agent-answers.ts. */
export const AGENT_QUESTIONS: readonly (readonly string[])[] = [...new Set(lines)].map(words);
