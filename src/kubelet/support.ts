import type { Container, Pod, Volume } from "./pod.ts";

/** A field that this kubelet cannot honour, and what to do instead. */
export interface Refusal {
  readonly field: string;
  readonly mend: string;
}

/** A field without which a pod runs as well, and what holds instead. */
export interface Remark {
  readonly field: string;
  readonly instead: string;
}

type Fields = Readonly<Record<string, unknown>>;

const VOLUME_KINDS = ["emptyDir", "configMap", "secret", "downwardAPI", "projected"];
const HOOKS = ["exec", "httpGet", "sleep"] as const;
const HARMLESS_CAPABILITIES = ["NET_BIND_SERVICE"];
const POD_FLAGS: Readonly<Record<string, string>> = {
  hostNetwork:
    "pods have a network of their own; remove it (only the lab's own agent and proxy run in the node's; `kubectl debug node/…` takes --profile=baseline)",
  hostPID: "pods see their own processes only; remove it",
  hostIPC: "pods have IPC of their own; remove it",
  runtimeClassName: "there is one runtime; remove it",
  setHostnameAsFQDN: "the hostname is the pod's name; remove it",
};
const SECURITY_FLAGS: Readonly<Record<string, string>> = {
  privileged: "no pod gets rights over the host; remove it",
  windowsOptions: "this is Linux; remove it",
  sysctls: "sysctls are not set; remove it",
  procMount: "only the default /proc is given; remove it",
};

/** Of security contexts: accepted, for charts set them by habit. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  fsGroup: "volumes belong to each container's own user, who may write to them; there is no group beside",
  supplementalGroups: "a process has the group of runAsGroup alone",
  seLinuxOptions: "SELinux labels are not applied",
};

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

function flags(fields: Fields, known: Readonly<Record<string, string>>, prefix: string): Refusal[] {
  return Object.entries(known)
    .filter(([name]) => isSet(fields[name]) && fields[name] !== "Default")
    .map(([name, mend]) => ({ field: `${prefix}.${name}`, mend }));
}

function securityRefusals(context: Fields | undefined, prefix: string): Refusal[] {
  if (context === undefined) return [];
  const refusals = flags(context, SECURITY_FLAGS, prefix);
  for (const profile of ["seccompProfile", "appArmorProfile"]) {
    const type = (context[profile] as { type?: string } | undefined)?.type;
    if (type !== undefined && type !== "RuntimeDefault") {
      refusals.push({
        field: `${prefix}.${profile}`,
        mend: "every pod runs under the runtime's own filter: use RuntimeDefault or remove it",
      });
    }
  }
  const added = (context["capabilities"] as { add?: readonly string[] } | undefined)?.add ?? [];
  const refused = added.filter((name) => !HARMLESS_CAPABILITIES.includes(name.replace(/^CAP_/, "")));
  if (refused.length > 0) {
    refusals.push({
      field: `${prefix}.capabilities.add`,
      mend: `${refused.join(", ")} cannot be given; low ports and ping work without`,
    });
  }
  return refusals;
}

/** What of one container cannot be honoured; `prefix` is its path in the pod. */
export function containerRefusals(container: Container, prefix: string): Refusal[] {
  const refusals = securityRefusals(container.securityContext, `${prefix}.securityContext`);
  const refuse = (field: string, mend: string) => refusals.push({ field: `${prefix}.${field}`, mend });
  for (const kind of ["postStart", "preStop"] as const) {
    if (isSet(container.lifecycle?.[kind]) && !HOOKS.some((handler) => isSet(container.lifecycle?.[kind]?.[handler])))
      refuse(`lifecycle.${kind}`, `use ${HOOKS.join(", ")}`);
  }
  if (isSet(container["volumeDevices"])) refuse("volumeDevices", "there are no block devices; use emptyDir");
  for (const [index, variable] of (container.env ?? []).entries()) {
    if (variable.valueFrom?.resourceFieldRef !== undefined) {
      refuse(`env[${index}].valueFrom.resourceFieldRef`, "resource limits are not enforced; write the value");
    }
  }
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    if (mount.subPathExpr !== undefined) refuse(`volumeMounts[${index}].subPathExpr`, "use subPath");
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== "None") {
      refuse(`volumeMounts[${index}].mountPropagation`, "mounts do not propagate; remove it");
    }
  }
  return refusals;
}

function volumeRefusal(volume: Volume, index: number): Refusal[] {
  const kind = Object.keys(volume).find((key) => key !== "name");
  if (kind === undefined || VOLUME_KINDS.includes(kind)) return [];
  return [{ field: `spec.volumes[${index}].${kind}`, mend: `volumes can be ${VOLUME_KINDS.join(", ")}` }];
}

/** Refusals as one sentence each. */
export function refusalText(refusals: readonly Refusal[]): string {
  return refusals.map(({ field, mend }) => `${field} is not supported: ${mend}`).join("; ");
}

/** What of a pod's spec this kubelet cannot honour; an empty list means that all of it is. */
export function refusalsOf(pod: Pod): readonly Refusal[] {
  const { spec } = pod;
  return [
    ...flags(spec, POD_FLAGS, "spec"),
    ...securityRefusals(spec.securityContext, "spec.securityContext"),
    ...(spec.volumes ?? []).flatMap(volumeRefusal),
    ...(spec.initContainers ?? []).flatMap((container, index) =>
      containerRefusals(container, `spec.initContainers[${index}]`),
    ),
    ...spec.containers.flatMap((container, index) => containerRefusals(container, `spec.containers[${index}]`)),
  ];
}

function securityRemarks(context: Fields | undefined, prefix: string): Remark[] {
  return Object.entries(WITHOUT_EFFECT)
    .filter(([name]) => isSet(context?.[name]))
    .map(([name, instead]) => ({ field: `${prefix}.securityContext.${name}`, instead }));
}

/** A remark as one sentence. */
export const remarkText = ({ field, instead }: Remark): string => `${field}: has no effect here: ${instead}`;

/** What of a pod's spec is accepted and has no effect; an empty list means that there is no such thing. */
export function remarksOn({ spec }: Pod): readonly Remark[] {
  const lists = { initContainers: spec.initContainers ?? [], containers: spec.containers };
  const remarks = securityRemarks(spec.securityContext, "spec");
  for (const [list, containers] of Object.entries(lists)) {
    for (const [index, container] of containers.entries()) {
      const place = `spec.${list}[${index}]`;
      remarks.push(...securityRemarks(container.securityContext, place));
      for (const [number, { hostPort }] of (container.ports ?? []).entries()) {
        if (hostPort)
          remarks.push({
            field: `${place}.ports[${number}].hostPort`,
            instead: "no port of a node leads to the pod; a NodePort service does",
          });
      }
    }
  }
  return remarks;
}
