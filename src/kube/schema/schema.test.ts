/** What users meet when a manifest is wrong, in the words that Kubernetes uses. */
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { GroupVersionKind, KubeObject } from "../object.ts";
import {
  ciliumCrds,
  compileCrdSchema,
  decodeProblem,
  fieldSchema,
  fillDefaults,
  loadRules,
  mergeKey,
  prune,
  unknownFields,
  validate,
  validateDefinition,
  validateUpdate,
} from "./index.ts";

/** Of a definition with rules, where an object's shape is wrong. */
const NOT_ASKED = expect.stringContaining("<nil>: Invalid value: null: some validation rules were not checked");
const POD = { group: "", version: "v1", kind: "Pod" };
const SERVICE = { group: "", version: "v1", kind: "Service" };
const DEPLOYMENT = { group: "apps", version: "v1", kind: "Deployment" };
const CNP = { group: "cilium.io", version: "v2", kind: "CiliumNetworkPolicy" };
const cnpDefinition = ciliumCrds.find((crd) => crd.metadata.name === "ciliumnetworkpolicies.cilium.io")!;

const object = (yaml: string): KubeObject => parse(yaml) as KubeObject;
const said = (kind: GroupVersionKind, yaml: string, definition?: KubeObject): string[] =>
  validate(kind, object(yaml), definition).map((error) => `${error.field}: ${error.message}`);

const deployment = (labels: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: deathstar}
spec:
  replicas: 2
  selector: {matchLabels: {org: empire}}
  template:
    metadata: {labels: ${labels}}
    spec: {containers: [{name: deathstar, image: quay.io/cilium/starwars, ports: [{containerPort: 80}]}]}`;

const cnp = (spec: string): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: rule1, namespace: default}, ${spec}}`;

describe("built-in kinds", () => {
  test("a good deployment passes", () => {
    expect(said(DEPLOYMENT, deployment("{org: empire, class: deathstar}"))).toEqual([]);
  });

  test("a selector that misses the template's labels is refused", () => {
    expect(said(DEPLOYMENT, deployment("{org: alliance}"))).toEqual([
      'spec.template.metadata.labels: Invalid value: {"org":"alliance"}: `selector` does not match template `labels`',
    ]);
  });

  test("a pod's containers need names, images and ports in range", () => {
    const pod = `{apiVersion: v1, kind: Pod, metadata: {name: Bad_Name}, spec: {containers: [
      {name: a, image: x, ports: [{containerPort: 70000}]}, {name: a}]}}`;
    expect(said(POD, pod)).toEqual([
      expect.stringMatching(
        /^metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
      ),
      "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
      "spec.containers[1].image: Required value",
      'spec.containers[1].name: Duplicate value: "a"',
    ]);
    expect(said(POD, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {}}")).toEqual([
      "spec.containers: Required value",
    ]);
  });

  test("a pod's status holds addresses, one of each family", () => {
    const status = (text: string) =>
      said(POD, `{metadata: {name: p}, spec: {containers: [{name: c, image: i}]}, status: ${text}}`);
    expect(
      status("{podIP: 172.20.1.5, podIPs: [{ip: 172.20.1.5}, {ip: fd00::5}], hostIP: '', phase: Running}"),
    ).toEqual([]);
    expect(status("{podIP: nowhere, podIPs: [{ip: 172.20.1.5}, {ip: 172.20.1}], hostIP: 1.2.3}")).toEqual([
      'status.podIP: Invalid value: "nowhere": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.podIPs[1]: Invalid value: "172.20.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.hostIP: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ]);
    expect(status("{podIPs: [{ip: 172.20.1.5}, {ip: 172.20.1.6}]}")).toEqual([
      expect.stringMatching(/^status.podIPs: .*may specify no more than one IP for each IP family$/),
    ]);
  });

  test("a mount must name a volume", () => {
    const pod = `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [
      {name: a, image: x, volumeMounts: [{name: v, mountPath: /v}]}]}}`;
    expect(said(POD, pod)).toEqual(['spec.containers[0].volumeMounts[0].name: Not found: "v"']);
  });

  test("a service needs ports, with names when there are several", () => {
    expect(said(SERVICE, "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {}}")).toEqual([
      "spec.ports: Required value",
    ]);
    const two = "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}, {port: 0, name: b}]}}";
    expect(said(SERVICE, two)).toEqual([
      "spec.ports[0].name: Required value",
      "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ]);
  });

  test.each([
    [
      "type: ClusterIP, ports: [{port: 80, nodePort: 30033}]",
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      "type: ClusterIP, externalTrafficPolicy: Local, ports: [{port: 80}]",
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      "internalTrafficPolicy: Foo, ports: [{port: 80}]",
      'spec.internalTrafficPolicy: Unsupported value: "Foo": supported values: "Cluster", "Local"',
    ],
    [
      "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 99999999}}, ports: [{port: 80}]",
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 99999999: must be greater than 0 and less than 86400",
    ],
    [
      "ipFamilies: [IPv5], ports: [{port: 80}]",
      'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    ],
    [
      "ipFamilyPolicy: DualStack, ports: [{port: 80}]",
      'spec.ipFamilyPolicy: Unsupported value: "DualStack": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ],
    [
      "type: NodePort, clusterIP: None, clusterIPs: [None], ports: [{port: 80}]",
      "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    ],
    [
      "loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]",
      "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
  ])("a service with %s is refused", (spec, error) => {
    const text = `{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: ClusterIP, ${spec}}}`;
    expect(said(SERVICE, text.replace("type: ClusterIP, type:", "type:"))).toEqual([error]);
  });

  test.each([
    ["[fd00::1]", "80", 'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'],
    [
      "[010.1.1.1]",
      "80",
      'endpoints[0].addresses[0]: Invalid value: "010.1.1.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "[10.0.0.1/8]",
      "80",
      'endpoints[0].addresses[0]: Invalid value: "10.0.0.1/8": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "['']",
      "80",
      'endpoints[0].addresses[0]: Invalid value: "": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "[127.0.0.1]",
      "80",
      'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    ["[0.0.0.0]", "80", 'endpoints[0].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified'],
    ["[]", "80", "endpoints[0].addresses: Required value: must contain at least 1 address"],
    ["[10.0.0.1]", "99999", "ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive"],
    ["[10.0.0.1]", "-1", "ports[0].port: Invalid value: -1: must be between 1 and 65535, inclusive"],
    [
      "[10.0.0.1]",
      "80, protocol: FOO",
      'ports[0].protocol: Unsupported value: "FOO": supported values: "SCTP", "TCP", "UDP"',
    ],
  ])("a slice with addresses %s and port %s is refused", (addresses, port, error) => {
    const text = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, addressType: IPv4,
      endpoints: [{addresses: ${addresses}}], ports: [{port: ${port}}]}`;
    const kind = { group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice" };
    expect(said(kind, text)).toEqual([error]);
  });

  test("unknown fields are found at any depth, maps stay free", () => {
    const pod =
      object(`{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {any: thing}}, spec: {foo: 1, containers: [
      {name: a, image: x, resources: {limits: {cpu: 1}}, ports: [{containerPrt: 80}]}]}}`);
    expect(unknownFields(POD, pod)).toEqual(["spec.foo", "spec.containers[0].ports[0].containerPrt"]);
    expect(unknownFields(POD, prune(POD, pod))).toEqual([]);
    expect(prune(POD, pod).metadata).toBe(pod.metadata);
  });

  test("a field of a wrong type cannot be read", () => {
    const wrong = object(deployment("{org: empire}").replace("replicas: 2", "replicas: two"));
    expect(decodeProblem(DEPLOYMENT, wrong)).toBe(
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    );
    expect(decodeProblem(DEPLOYMENT, object(deployment("{org: empire}")))).toBeUndefined();
  });

  test("selectors and pods stand still", () => {
    const old = object(deployment("{org: empire, class: deathstar}"));
    const next = object(
      deployment("{org: empire, class: deathstar}").replace("matchLabels: {org", "matchLabels: {class: deathstar, org"),
    );
    expect(validateUpdate(DEPLOYMENT, next, old).map((error) => error.field)).toEqual(["spec.selector"]);
    const pod = object("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: x}]}}");
    const image = object("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: y}]}}");
    const name = object("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: b, image: x}]}}");
    expect(validateUpdate(POD, image, pod)).toEqual([]);
    expect(validateUpdate(POD, name, pod)[0]?.message).toMatch(
      /^Forbidden: pod updates may not change fields other than/,
    );
  });

  test("strategic merge knows its keys", () => {
    expect(mergeKey(POD, ["spec", "containers"])).toEqual({ strategies: ["merge"], key: "name" });
    expect(mergeKey(DEPLOYMENT, ["spec", "template", "spec", "containers", "0", "ports"])).toEqual({
      strategies: ["merge"],
      key: "containerPort",
    });
    expect(mergeKey(DEPLOYMENT, ["spec", "strategy"])).toEqual({ strategies: ["retainKeys"] });
    expect(mergeKey(POD, ["spec", "containers", "0", "command"])).toBeUndefined();
    expect(fieldSchema(SERVICE, ["spec", "ports"])?.["x-kubernetes-list-map-keys"]).toEqual(["port", "protocol"]);
  });
});

describe("Cilium's kinds", () => {
  const good = cnp("spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}");

  test("their definitions are sound and complete", () => {
    expect(ciliumCrds.flatMap((definition) => validateDefinition(definition))).toEqual([]);
    expect(ciliumCrds.map((crd) => crd.metadata.name)).toContain("ciliumclusterwidenetworkpolicies.cilium.io");
    expect(JSON.stringify(ciliumCrds)).not.toContain("$ref");
  });

  test("a good policy passes", () => {
    expect(said(CNP, good, cnpDefinition)).toEqual([]);
  });

  test("misspelled fields are unknown", () => {
    const policy = object(cnp("spec: {endpointSelector: {}, ingres: [{}]}"));
    expect(unknownFields(CNP, policy, cnpDefinition)).toEqual(["spec.ingres"]);
  });

  test("a protocol outside the enumeration is refused with the ones allowed", () => {
    expect(said(CNP, good.replace("TCP", "FOO"), cnpDefinition)).toEqual([
      'spec.ingress[0].toPorts[0].ports[0].protocol: Unsupported value: "FOO": supported values: "TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"',
      NOT_ASKED,
    ]);
  });

  test("types and patterns are checked", () => {
    expect(said(CNP, good.replace("'80'", "80"), cnpDefinition)).toEqual([
      'spec.ingress[0].toPorts[0].ports[0].port: Invalid value: "integer": spec.ingress[0].toPorts[0].ports[0].port in body must be of type string: "integer"',
      NOT_ASKED,
    ]);
    const names = cnp("spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: 'a b'}]}]}");
    expect(said(CNP, names, cnpDefinition)[0]).toMatch(/egress\[0\].toFQDNs\[0\].matchName in body should match '\^/);
  });

  test("a policy without spec and specs, or without a selector, is refused", () => {
    expect(said(CNP, cnp("status: {}"), cnpDefinition)).toEqual([
      expect.stringContaining("spec or specs must be provided"),
    ]);
    expect(said(CNP, cnp("spec: {ingress: [{}]}"), cnpDefinition)).toEqual([
      expect.stringContaining('"spec" must validate one and only one schema (oneOf). Found none valid'),
    ]);
  });

  test("defaults are filled in", () => {
    const policy = object(cnp("spec: {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}]}]}]}"));
    const filled = fillDefaults(CNP, policy, cnpDefinition);
    expect(filled.spec).toMatchObject({ ingress: [{ icmps: [{ fields: [{ family: "IPv4", type: 8 }] }] }] });
    expect(policy.spec).not.toEqual(filled.spec);
  });
});

describe("definitions made at run time", () => {
  const schema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        required: ["size"],
        properties: {
          size: { type: "integer", minimum: 1, maximum: 5 },
          free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
        "x-kubernetes-validations": [{ rule: "!has(self.free) || self.size > 1", message: "free needs size" }],
      },
    },
  };
  const make = (spec: object): KubeObject => ({ apiVersion: "a.b/v1", kind: "K", metadata: { name: "n" }, spec });

  test("range, required and rules", () => {
    const { validate: check } = compileCrdSchema(schema);
    expect(check(make({ size: 3, free: {} }))).toEqual([]);
    expect(check(make({}))[0]).toEqual({ field: "spec.size", reason: "FieldValueRequired", message: "Required value" });
    expect(check(make({ size: 9 }))[0]?.message).toBe(
      "Invalid value: 9: spec.size in body should be less than or equal to 5",
    );
    expect(check(make({ size: 1, free: {} }))[0]?.message).toContain("free needs size");
  });

  test("fields below preserve-unknown-fields are kept, others pruned", () => {
    const compiled = compileCrdSchema(schema);
    const kept = compiled.prune(make({ size: 2, free: { any: 1 }, odd: true }));
    expect(kept.spec).toEqual({ size: 2, free: { any: 1 } });
  });

  test("a rule that nothing here evaluates is refused by name", async () => {
    const definition = structuredClone(ciliumCrds[0]!) as KubeObject & {
      spec: { versions: { schema: { openAPIV3Schema: object } }[] };
    };
    const rules = [
      { rule: "authorizer(self.size) == 1" },
      { rule: "self.list.all(x, " },
      { rule: "true", optionalOldSelf: true },
    ];
    Object.assign(definition.spec.versions[0]!.schema.openAPIV3Schema, { "x-kubernetes-validations": rules });
    await loadRules(definition);
    const errors = validateDefinition(definition);
    expect(errors.map(({ field }) => field.split("validations")[1])).toEqual([
      "[0].rule",
      "[1].rule",
      "[2].optionalOldSelf",
    ]);
    expect(errors[0]!.message).toMatch(/calls `authorizer`|undeclared reference to 'authorizer'/);
  });
});
