import { type Endpoint, type Flow, TrafficDirection } from "../../../proto/gen/flow_pb.js";
import { enumName } from "../../flow/print/names.ts";
import type { MetricOption } from "./config.ts";

/** One end of a flow, and what the flow itself says of it. */
interface End {
  readonly endpoint: Endpoint | undefined;
  readonly ip: string;
  readonly names: readonly string[];
}

type EndText = (end: End) => string;

/** Labels that name an application, in the order in which Cilium looks for them. */
const APP_LABELS = ["k8s:app.kubernetes.io/name=", "k8s:k8s-app=", "k8s:app="];

/** Flows share their endpoints, so what is made of one is made once. */
function once(make: (endpoint: Endpoint) => string): EndText {
  const made = new WeakMap<Endpoint, string>();
  return ({ endpoint }) => {
    if (endpoint === undefined) return "";
    const known = made.get(endpoint);
    if (known !== undefined) return known;
    const text = make(endpoint);
    made.set(endpoint, text);
    return text;
  };
}

const within = (namespace: string, name: string) => (namespace === "" ? name : `${namespace}/${name}`);
const workloadOf = (endpoint: Endpoint | undefined) => endpoint?.workloads[0]?.name ?? "";

function reservedLabel({ labels }: Endpoint): string {
  const api = "reserved:kube-apiserver";
  return labels.includes(api) ? api : (labels.find((label) => label.startsWith("reserved:")) ?? "");
}

function appOf({ labels }: Endpoint): string {
  for (const label of labels) {
    const prefix = APP_LABELS.find((start) => label.startsWith(start));
    if (prefix !== undefined && label.length > prefix.length) return label.slice(prefix.length);
  }
  return "";
}

const app = once(appOf);
const namespace: EndText = ({ endpoint }) => endpoint?.namespace ?? "";
const podName: EndText = ({ endpoint }) => endpoint?.podName ?? "";
const ip: EndText = (end) => end.ip;
const workloadName: EndText = ({ endpoint }) => workloadOf(endpoint);

/** What `sourceContext` and its kin may be made of. */
const IDENTIFIERS: ReadonlyMap<string, EndText> = new Map(
  Object.entries<EndText>({
    identity: once(({ labels }) => labels.join(",")),
    namespace,
    pod: once(({ namespace, podName }) => within(namespace, podName)),
    "pod-name": podName,
    dns: ({ names }) => names.join(","),
    ip,
    "reserved-identity": once(reservedLabel),
    workload: once((endpoint) => {
      const name = workloadOf(endpoint);
      return name === "" ? "" : within(endpoint.namespace, name);
    }),
    "workload-name": workloadName,
    app,
  }),
);

/** What one end has among the labels of `labelsContext`, in their order. */
const END_LABELS: readonly (readonly [name: string, text: EndText])[] = [
  ["ip", ip],
  ["pod", podName],
  ["namespace", namespace],
  ["workload", workloadName],
  ["workload_kind", ({ endpoint }) => endpoint?.workloads[0]?.kind ?? ""],
  ["app", app],
];

type FlowText = (source: End, destination: End, flow: Flow) => string;

const LABELS: ReadonlyMap<string, FlowText> = new Map<string, FlowText>([
  ...END_LABELS.map(([name, text]): [string, FlowText] => [`source_${name}`, (source) => text(source)]),
  ...END_LABELS.map(([name, text]): [string, FlowText] => [
    `destination_${name}`,
    (_, destination) => text(destination),
  ]),
  [
    "traffic_direction",
    (_source, _destination, { trafficDirection }) =>
      trafficDirection === TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN
        ? "unknown"
        : enumName(TrafficDirection, trafficDirection).toLowerCase(),
  ],
]);

/** How one of the two labels `source` and `destination` is made. */
interface EndContext {
  readonly both?: readonly EndText[] | undefined;
  readonly egress?: readonly EndText[] | undefined;
  readonly ingress?: readonly EndText[] | undefined;
}

/** Undefined: none is named. */
function identifiers({ values }: MetricOption): readonly EndText[] | undefined {
  if (values.length === 0) return undefined;
  return values.map((value) => {
    const text = IDENTIFIERS.get(value.toLowerCase());
    if (text === undefined)
      throw new Error(`unknown context '${value}': write one of ${[...IDENTIFIERS.keys()].join(", ")}`);
    return text;
  });
}

function isListed(context: EndContext): boolean {
  return (context.both ?? context.egress ?? context.ingress) !== undefined;
}

/** The first identifier that says something; one for a direction goes before those for both. */
function textOf({ both, egress, ingress }: EndContext, end: End, direction: TrafficDirection): string {
  const ofDirection =
    direction === TrafficDirection.INGRESS ? ingress : direction === TrafficDirection.EGRESS ? egress : undefined;
  for (const identifier of ofDirection ?? both ?? []) {
    const text = identifier(end);
    if (text !== "") return text;
  }
  return "";
}

const DIRECTIONS: Readonly<Record<string, keyof EndContext>> = {
  context: "both",
  egresscontext: "egress",
  ingresscontext: "ingress",
};

/** Options that a context has taken; lower case. */
export const CONTEXT_OPTIONS: ReadonlySet<string> = new Set([
  ...["source", "destination"].flatMap((end) => Object.keys(DIRECTIONS).map((name) => end + name)),
  "labelscontext",
]);

/** The labels by which a metric is told apart beyond its own, with Cilium's names and in its order. */
export class FlowLabels {
  readonly names: readonly string[];
  /** Whether a label has a pod's namespace and name, and which: they are forgotten with the pod. */
  readonly podLabels: readonly ((namespace: string, name: string) => Record<string, string>)[];
  private readonly labels: readonly FlowText[];
  private readonly ends: Record<"source" | "destination", EndContext> = { source: {}, destination: {} };

  /** Throws with what the option may say. */
  constructor(options: readonly MetricOption[]) {
    const listed = new Set<string>();
    const podEnds = new Set<string>();
    for (const option of options) {
      const name = option.name.toLowerCase();
      const end = name.startsWith("source") ? "source" : "destination";
      const direction = DIRECTIONS[name.slice(end.length)];
      if (name === "labelscontext") {
        listed.clear();
        for (const label of option.values) listed.add(labelName(label));
      } else if (CONTEXT_OPTIONS.has(name) && direction !== undefined) {
        this.ends[end] = { ...this.ends[end], [direction]: identifiers(option) };
        if (option.values.some((value) => value.toLowerCase() === "pod")) podEnds.add(end);
      }
    }
    const names = [...LABELS.keys()].filter((name) => listed.has(name));
    this.labels = names.map((name) => LABELS.get(name)!);
    this.names = [...names, ...(["source", "destination"] as const).filter((end) => isListed(this.ends[end]))];
    this.podLabels = [
      ...[...podEnds].map((end) => (namespace: string, name: string) => ({ [end]: `${namespace}/${name}` })),
      ...["source", "destination"]
        .filter((end) => listed.has(`${end}_pod`) && listed.has(`${end}_namespace`))
        .map((end) => (namespace: string, name: string) => ({ [`${end}_namespace`]: namespace, [`${end}_pod`]: name })),
    ];
  }

  /** In the order of `names`. `inverted`: of an answer, with the ends as its request had them. */
  values(flow: Flow, inverted = false): string[] {
    if (this.names.length === 0) return [];
    const source: End = { endpoint: flow.source, ip: flow.IP?.source ?? "", names: flow.sourceNames };
    const destination: End = {
      endpoint: flow.destination,
      ip: flow.IP?.destination ?? "",
      names: flow.destinationNames,
    };
    const [from, to] = inverted ? [destination, source] : [source, destination];
    const values = this.labels.map((label) => label(from, to, flow));
    const ends = {
      source: textOf(this.ends.source, source, flow.trafficDirection),
      destination: textOf(this.ends.destination, destination, flow.trafficDirection),
    };
    if (isListed(this.ends.source)) values.push(inverted ? ends.destination : ends.source);
    if (isListed(this.ends.destination)) values.push(inverted ? ends.source : ends.destination);
    return values;
  }
}

function labelName(label: string): string {
  if (LABELS.has(label)) return label;
  throw new Error(`invalid labelsContext value: ${label}: write one of ${[...LABELS.keys()].join(", ")}`);
}
