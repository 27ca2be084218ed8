/** Transcripts of the real kubectl against the API server and controllers, as a user reads them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasKubectl, KubectlCluster } from "../support/kubectl-cluster.ts";

const lab = new KubectlCluster();
const kubectl = (command: string, env?: Record<string, string>): Promise<string> => lab.run(command, env);

const container = { name: "nginx", image: "nginx:1.25", ports: [{ containerPort: 80, name: "http" }] };
const web = {
  ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", labels: { app: "web" } } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [container] } },
  },
};
const settings = (data: Record<string, string>): object => ({
  ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "conf" } },
  data,
});

/** Runs commands one after another; the answers are those of the right column. */
async function transcript(lines: readonly (readonly [command: string, answer: string | RegExp])[]): Promise<void> {
  for (const [command, answer] of lines) {
    const got = await kubectl(command);
    if (answer instanceof RegExp) expect(got, command).toMatch(answer);
    else expect(got, command).toBe(answer);
  }
}

describe.skipIf(!hasKubectl)(`the real kubectl${hasKubectl ? "" : " (skipped: no kubectl on this machine)"}`, () => {
  beforeAll(async () => {
    await lab.start();
    lab.write("web.json", web, settings({ a: "1", b: "1" }));
  });
  afterAll(() => lab.cluster.stop());

  it("applies, and shows what there is in every form", async () => {
    await transcript([
      ["apply -f DIR/web.json", "deployment.apps/web created\nconfigmap/conf created\n"],
      ["apply -f DIR/web.json", "deployment.apps/web unchanged\nconfigmap/conf unchanged\n"],
      ["rollout status deploy/web --timeout=10s", /deployment "web" successfully rolled out\n$/],
      ["expose deploy web --port=80 --target-port=http", "service/web exposed\n"],
      ["wait pod -l app=web --for=condition=Ready --timeout=10s", /^(pod\/web-HASH-ID condition met\n){2}$/],
      ["wait deploy/web --for=jsonpath={.status.readyReplicas}=2", "deployment.apps/web condition met\n"],
      [
        "get deploy,svc web -o wide",
        `NAME  READY  UP-TO-DATE  AVAILABLE  AGE  CONTAINERS  IMAGES  SELECTOR
deployment.apps/web  2/2  2  2  AGE  nginx  nginx:1.25  app=web

NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE  SELECTOR
service/web  ClusterIP  10.96.1.1  <none>  80/TCP  AGE  app=web
`,
      ],
      ["get pods", /^NAME {2}READY {2}STATUS {2}RESTARTS {2}AGE\n(web-HASH-ID {2}1\/1 {2}Running {2}0 {2}AGE\n){2}$/],
      ["get pods -o name", "pod/web-HASH-ID\npod/web-HASH-ID\n"],
      ["get pods -o jsonpath={.items[*].spec.containers[0].image}", "nginx:1.25 nginx:1.25"],
      ["get cm conf -o custom-columns=N:.metadata.name,A:.data.a,X:.data.x", "N  A  X\nconf  1  <none>\n"],
      ["get cm conf -o go-template={{.data.a}}", "1"],
      ["get deploy web -L app --show-labels --no-headers", "web  2/2  2  2  AGE  web  app=web\n"],
      ["get pods --field-selector=foo=bar", /field label not supported: foo\nexit 1\n$/],
      ["get foo", 'error: the server doesn\'t have a resource type "foo"\nexit 1\n'],
      ["get deploy nope", 'Error from server (NotFound): deployments.apps "nope" not found\nexit 1\n'],
      [
        "get ep web --no-headers",
        "web  POD-IP:80,POD-IP:80  AGE\nWarning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n",
      ],
    ]);
    const yaml = await kubectl("get cm conf -o yaml");
    expect(yaml).toMatch(
      /^apiVersion: v1\ndata:\n {2}a: "1"\n {2}b: "1"\nkind: ConfigMap\nmetadata:\n {2}annotations:\n/,
    );
    expect(yaml).not.toContain("managedFields");
  });

  it("describes", async () => {
    expect(await kubectl("describe deploy web")).toBe(`Name:  web
Namespace:  default
CreationTimestamp:  TIME
Labels:  app=web
Annotations:  deployment.kubernetes.io/revision: 1
Selector:  app=web
Replicas:  2 desired | 2 updated | 2 total | 2 available | 0 unavailable
StrategyType:  RollingUpdate
MinReadySeconds:  0
RollingUpdateStrategy:  25% max unavailable, 25% max surge
Pod Template:
  Labels:  app=web
  Containers:
  nginx:
  Image:  nginx:1.25
  Port:  80/TCP
  Host Port:  0/TCP
  Environment:  <none>
  Mounts:  <none>
  Volumes:  <none>
  Node-Selectors:  <none>
  Tolerations:  <none>
Conditions:
  Type  Status  Reason
  ----  ------  ------
  Available  True  MinimumReplicasAvailable
  Progressing  True  NewReplicaSetAvailable
OldReplicaSets:  <none>
NewReplicaSet:  web-HASH (2/2 replicas created)
Events:
  Type  Reason  Age  From  Message
  ----  ------  ----  ----  -------
  Normal  ScalingReplicaSet  AGE  deployment-controller  Scaled up replica set web-HASH from 0 to 2
`);
    await transcript([
      [
        "describe svc web",
        /IP Families: {2}IPv4\n.*\nIPs: {2}10.96.1.1\n.*\nTargetPort: {2}http\/TCP\nEndpoints: {2}POD/,
      ],
      [
        "describe pod -l app=web",
        /Controlled By: {2}ReplicaSet\/web-HASH\n[\s\S]*kube-api-access-[\s\S]*Successfully assigned/,
      ],
      ["describe rs", /Pods Status: {2}2 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed\n/],
      ["describe node k8s-ctr", /Taints: {2}node-role.kubernetes.io\/control-plane:NoSchedule\n[\s\S]*Allocatable:/],
      ["describe cm conf", /^Name: {2}conf\n[\s\S]*Data\n====\n[\s\S]*a:\n----\n1\n/],
      ["describe ns default", /Status: {2}Active\n/],
      ["describe sa default", /Mountable secrets: {2}<none>\n/],
      ["describe endpointslice -l kubernetes.io/service-name=web", /TargetRef: {2}Pod\/web-HASH-ID\n/],
    ]);
  });

  it("explains, and lists what is served", async () => {
    await transcript([
      [
        "explain deploy.spec.strategy",
        /^GROUP: {2}apps\nKIND: {2}Deployment\n[\s\S]*rollingUpdate\t<RollingUpdateDeployment>/,
      ],
      ["explain cnp.spec.endpointSelector", /^GROUP: {2}cilium.io\n[\s\S]*matchLabels\t<map\[string\]string>/],
      ["explain pod.spec.nope", /field "nope" does not exist\nexit 1\n$/],
      ["api-resources --api-group=apps -o name", /^controllerrevisions.apps\ndaemonsets.apps\ndeployments.apps\n/],
      ["api-resources --api-group=cilium.io", /ciliumnetworkpolicies {2}cnp,ciliumnp {2}cilium.io\/v2 {2}true/],
      ["api-versions", /^apiextensions.k8s.io\/v1\napps\/v1\n[\s\S]*\nv1\n$/],
      ["cluster-info", /Kubernetes control plane is running at https:\/\/127.0.0.1:/],
      ["get --raw /readyz?verbose", "[+]ping ok\n[+]storage ok\nreadyz check passed\n"],
      ["get --raw /livez", "ok"],
      ["top pod", "error: Metrics API not available\nexit 1\n"],
      ["autoscale deploy web --max=5", /the server could not find the requested resource\nexit 1\n$/],
    ]);
  });

  it("rolls out, back, and pauses", async () => {
    await transcript([
      ["set image deploy/web nginx=nginx:1.26", "deployment.apps/web image updated\n"],
      ["annotate deploy/web kubernetes.io/change-cause=second", "deployment.apps/web annotated\n"],
      ["rollout status deploy/web --timeout=10s", /successfully rolled out\n$/],
      ["rollout history deploy/web", "deployment.apps/web\nREVISION  CHANGE-CAUSE\n1  <none>\n2  second\n\n"],
      ["rollout undo deploy/web", "deployment.apps/web rolled back\n"],
      ["rollout status deploy/web --timeout=10s", /successfully rolled out\n$/],
      ["get deploy web -o jsonpath={..image}", "nginx:1.25"],
      ["rollout pause deploy/web", "deployment.apps/web paused\n"],
      ["rollout undo deploy/web", /you cannot rollback a paused deployment[\s\S]*exit 1\n$/],
      ["rollout resume deploy/web", "deployment.apps/web resumed\n"],
      ["rollout restart deploy/web", "deployment.apps/web restarted\n"],
      ["rollout status deploy/web --timeout=10s", /successfully rolled out\n$/],
      ["scale deploy/web --replicas=3", "deployment.apps/web scaled\n"],
      ["scale deploy/web --replicas=1 --current-replicas=9", "error: Expected replicas to be 9, was 3\nexit 1\n"],
      ["rollout status deploy/web --timeout=10s", /successfully rolled out\n$/],
    ]);
  });

  it("changes objects in each of its ways", async () => {
    lab.write("changed.json", settings({ a: "2", b: "1" }));
    await transcript([
      ["label cm conf x=y", "configmap/conf labeled\n"],
      ["label cm conf x=z", "error: 'x' already has a value (y), and --overwrite is false\nexit 1\n"],
      ["label cm conf x-", "configmap/conf unlabeled\n"],
      ['patch cm conf -p {"data":{"c":"3"}}', "configmap/conf patched\n"],
      ['patch cm conf -p {"data":{"c":"3"}}', "configmap/conf patched (no change)\n"],
      ['patch cm conf -p {"data":{"c":null}}', "configmap/conf patched\n"],
      [
        'patch deploy web -p {"spec":{"replicaz":4}}',
        /^Warning: unknown field "spec.replicaz"\n|patched \(no change\)/,
      ],
      ["diff -f DIR/changed.json", /\n- {2}a: "1"\n\+ {2}a: "2"\n[\s\S]*exit 1\n$/],
      ["apply -f DIR/changed.json --dry-run=server", "configmap/conf configured (server dry run)\n"],
      ["get cm conf -o jsonpath={.data.a}", "1"],
      ["replace -f DIR/changed.json", "configmap/conf replaced\n"],
      ["create -f DIR/changed.json", /\(AlreadyExists\)[\s\S]*configmaps "conf" already exists\nexit 1\n$/],
    ]);
    expect(await kubectl("edit cm conf", { EDITOR: `sed -i 's/a: "2"/a: "5"/'` })).toBe("configmap/conf edited\n");
    expect(await kubectl("edit cm conf", { EDITOR: "true" })).toBe("Edit cancelled, no changes made.\n");
    expect(await kubectl("get cm conf -o jsonpath={.data}")).toBe('{"a":"5","b":"1"}');
  });

  it("goes over from its own apply to the server's", async () => {
    const named = (data: object) => ({ ...settings({}), metadata: { name: "moved" }, data });
    lab.write("first.json", named({ a: "1", b: "1", c: "1" }));
    lab.write("second.json", named({ a: "2", b: "1" }));
    await transcript([
      ["apply -f DIR/first.json", "configmap/moved created\n"],
      ["apply --server-side -f DIR/second.json", "configmap/moved serverside-applied\n"],
      ["get cm moved -o jsonpath={.data}", '{"a":"2","b":"1"}'],
      ['patch cm moved --field-manager=me -p {"data":{"a":"9"}}', "configmap/moved patched\n"],
      [
        "apply --server-side -f DIR/second.json",
        /^error: Apply failed with 1 conflict: conflict with "me" using v1: .data.a\n/,
      ],
      ["apply --server-side --force-conflicts -f DIR/second.json", "configmap/moved serverside-applied\n"],
      ["apply --server-side --field-manager=other -f DIR/first.json", /conflict with "kubectl": .data.a\n/],
    ]);
  });

  it("cordons, drains and taints", async () => {
    await transcript([
      ["cordon k8s-w1", "node/k8s-w1 cordoned\n"],
      ["get node k8s-w1 --no-headers", /^k8s-w1 {2}Ready,SchedulingDisabled /],
      [
        "drain k8s-w1 --timeout=10s",
        /(evicting pod default\/web-HASH-ID\n)+(pod\/web-HASH-ID evicted\n)+node\/k8s-w1 drained\n$/,
      ],
      ["rollout status deploy/web --timeout=10s", /successfully rolled out\n$/],
      ["get pods --field-selector=spec.nodeName=k8s-w1", "No resources found in default namespace.\n"],
      ["uncordon k8s-w1", "node/k8s-w1 uncordoned\n"],
      ["taint node k8s-w1 a=b:NoSchedule", "node/k8s-w1 tainted\n"],
      ["taint node k8s-w1 a=b:NoSchedule", /already has a taint\(s\) with same effect\(s\)[\s\S]*exit 1\n$/],
      ["taint node k8s-w1 a-", "node/k8s-w1 untainted\n"],
    ]);
  });

  it("knows who may do what", async () => {
    await transcript([
      ["create sa robot", "serviceaccount/robot created\n"],
      ["create role reader --verb=get,list --resource=pods", "role.rbac.authorization.k8s.io/reader created\n"],
      ["auth can-i list pods --as system:serviceaccount:default:robot", "no\nexit 1\n"],
      ["create rolebinding readers --role=reader --serviceaccount=default:robot", /rolebinding\S+ created\n$/],
      ["auth can-i list pods --as system:serviceaccount:default:robot", "yes\n"],
      [
        "get pods --as jane",
        /^Error from server \(Forbidden\): pods is forbidden: User "jane" cannot list resource "pods"/,
      ],
      ["auth whoami", /Username {2}kubernetes-admin\nGroups {2}\[system:masters system:authenticated\]\n/],
      ["create token robot", /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/],
      ["get rolebindings -o wide --no-headers", "readers  Role/reader  AGE  default/robot\n"],
    ]);
  });

  it("makes and deletes, cascading as it is told", async () => {
    await transcript([
      ["create ns n1", "namespace/n1 created\n"],
      ["create deploy d1 --image=nginx -n n1", "deployment.apps/d1 created\n"],
      ["rollout status deploy/d1 -n n1 --timeout=10s", /successfully rolled out\n$/],
      ["delete deploy d1 -n n1 --cascade=orphan", 'deployment.apps "d1" deleted\n'],
      ["get rs -n n1 --no-headers", "d1-HASH  1  1  1  AGE\n"],
      ["delete rs --all -n n1 --cascade=foreground", 'replicaset.apps "d1-HASH" deleted\n'],
      ["get pods -n n1", "No resources found in n1 namespace.\n"],
      ["run p1 --image=busybox -n n1 -- sleep 5", "pod/p1 created\n"],
      ["delete pod p1 -n n1 --force --grace-period=0", /^Warning: Immediate deletion|pod "p1" force deleted\n/],
      ["create cronjob cj --image=busybox --schedule='1 1 1 1 1' -n n1 -- true", "cronjob.batch/cj created\n"],
      ["create job j --from=cronjob/cj -n n1", "job.batch/j created\n"],
      [
        "get cronjob,job -n n1 --no-headers",
        /^cronjob.batch\/cj {2}1 1 1 1 1 [\s\S]*\njob.batch\/j {2}Running {2}0\/1 /,
      ],
      ["delete job,cronjob --all -n n1 --cascade=background", 'job.batch "j" deleted\ncronjob.batch "cj" deleted\n'],
      ["delete pod nope --ignore-not-found", ""],
      ["delete ns n1 --timeout=10s", 'namespace "n1" deleted\n'],
      [
        "events --for deploy/web",
        /Normal {2}ScalingReplicaSet {2}Deployment\/web {2}Scaled up replica set web-HASH from 0 to 2\n/,
      ],
    ]);
  });

  it("watches", async () => {
    const watched = await lab.follow(
      "get deploy web --watch --output-watch-events --no-headers",
      /^ADDED {2}web {2}3\/3 /,
      () => kubectl("scale deploy/web --replicas=1"),
      /MODIFIED {2}web {2}1\/1 {2}1 {2}1 /,
    );
    expect(watched).toMatch(/^ADDED {2}web {2}3\/3 {2}3 {2}3 {2}AGE\n(MODIFIED {2}web .*\n)*MODIFIED {2}web {2}3\/1 /);
  });
});
