import { CLUSTER_LABEL, NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX, SERVICE_ACCOUNT_LABEL } from "./identity.ts";
import { type Label, type Labels, toLabels } from "./label.ts";

const NAMESPACE_NAME_LABEL = `${NAMESPACE_LABELS_PREFIX}.kubernetes.io/metadata.name`;
const EKS_COMPONENT = "eks.amazonaws.com/component";

interface Component {
  /** Its number; 8 more when its namespace carries its own name as a label, as Kubernetes makes it do. */
  readonly number: number;
  /** Undefined = Cilium's own. */
  readonly namespace?: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
}

const DNS = { "k8s-app": "kube-dns" };
const COMPONENTS: readonly Component[] = [
  { number: 102, namespace: "kube-system", serviceAccount: "kube-dns", labels: DNS },
  {
    number: 103,
    namespace: "kube-system",
    serviceAccount: "kube-dns",
    labels: { ...DNS, [EKS_COMPONENT]: "kube-dns" },
  },
  { number: 104, namespace: "kube-system", serviceAccount: "coredns", labels: DNS },
  {
    number: 105,
    serviceAccount: "cilium-operator",
    labels: {
      name: "cilium-operator",
      "io.cilium/app": "operator",
      "app.kubernetes.io/part-of": "cilium",
      "app.kubernetes.io/name": "cilium-operator",
    },
  },
  { number: 106, namespace: "kube-system", serviceAccount: "coredns", labels: { ...DNS, [EKS_COMPONENT]: "coredns" } },
];
const WITH_NAMESPACE_NAME = 8;

/**
 * Cilium's well-known identities with their labels: numbers that a few system pods have in every cluster, so that they
 * need none allocated. Only for who sets `enable-well-known-identities`; Cilium's chart leaves it off.
 */
export function wellKnownIdentities(cluster: string, ciliumNamespace: string): ReadonlyMap<number, Labels> {
  return new Map(
    COMPONENTS.flatMap(({ number, namespace = ciliumNamespace, serviceAccount, labels }): [number, Labels][] => {
      const all = {
        ...labels,
        [NAMESPACE_LABEL]: namespace,
        [SERVICE_ACCOUNT_LABEL]: serviceAccount,
        [CLUSTER_LABEL]: cluster,
      };
      return [
        [number, k8sLabels(all)],
        [number + WITH_NAMESPACE_NAME, k8sLabels({ ...all, [NAMESPACE_NAME_LABEL]: namespace })],
      ];
    }),
  );
}

function k8sLabels(values: Readonly<Record<string, string>>): Labels {
  return toLabels(Object.entries(values).map(([key, value]): Label => ({ source: "k8s", key, value })));
}

/** The well-known number of these labels; undefined unless they are exactly the labels of one. */
export function wellKnownIdentity(labels: Labels, wellKnown: ReadonlyMap<number, Labels>): number | undefined {
  for (const [number, own] of wellKnown) if (isSame(labels, own)) return number;
  return undefined;
}

function isSame(labels: Labels, others: Labels): boolean {
  return (
    labels.length === others.length &&
    labels.every(({ source, key, value }, index) => {
      const other = others[index]!;
      return source === other.source && key === other.key && value === other.value;
    })
  );
}
