import { type LabelSelector, labelSelector } from "../model/selector.ts";
import type { Field } from "./field.ts";
import { parseSelector } from "./parse-selector.ts";
import type { ServicePeer } from "./rule.ts";
import { toLabelSelector } from "./scope.ts";

interface Named {
  name?: string;
  selector?: LabelSelector;
  namespace: string;
}

/**
 * Reads one element of `toServices`: a service by its name, or services by their labels. With both the labels decide. The
 * source of a key plays no part: a service's labels are Kubernetes' own.
 */
export function parseService(value: unknown, at: Field): Omit<ServicePeer, "cluster">[] {
  let byName: Named | undefined;
  let bySelector: Named | undefined;
  const isRead = at.object(value, {
    k8sService: (content, field) => {
      byName = readName(content, field);
    },
    k8sServiceSelector: (content, field) => {
      bySelector = readSelector(content, field);
    },
  });
  if (!isRead) return [];
  if (byName !== undefined && bySelector !== undefined)
    at.child("k8sService").warn("has no effect beside k8sServiceSelector");
  const found = bySelector ?? byName;
  if (found !== undefined) return [{ kind: "service", ...found }];
  if ((value["k8sService"] ?? value["k8sServiceSelector"] ?? null) === null)
    at.refuse("names no service", "write k8sService or k8sServiceSelector");
  return [];
}

function readName(value: unknown, at: Field): Named | undefined {
  const found = { name: "", namespace: "" };
  const isRead = at.object(value, {
    serviceName: (content, field) => {
      found.name = field.text(content) ?? "";
    },
    namespace: (content, field) => {
      found.namespace = field.text(content) ?? "";
    },
  });
  if (!isRead) return undefined;
  if (found.name === "") at.child("serviceName").warn("empty: no service has this name", "matches-nothing");
  return found;
}

function readSelector(value: unknown, at: Field): Named | undefined {
  let namespace = "";
  let selector: LabelSelector | undefined;
  const isRead = at.object(
    value,
    {
      selector: (content, field) => {
        const written = parseSelector(content, field);
        if (written !== undefined) selector = ofKubernetes(toLabelSelector(written));
      },
      namespace: (content, field) => {
        namespace = field.text(content) ?? "";
      },
    },
    { required: ["selector"] },
  );
  return isRead && selector !== undefined ? { selector, namespace } : undefined;
}

function ofKubernetes({ requirements }: LabelSelector): LabelSelector {
  return labelSelector(requirements.map((each) => ({ ...each, source: "k8s" })));
}
