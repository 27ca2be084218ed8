import { type Fields, fieldsOf, isFields, listOf } from "../../object.ts";

/** Sets what is not set. */
export function setDefault(target: Fields, field: string, value: unknown): void {
  if (target[field] === undefined || target[field] === null) target[field] = value;
}

/** The objects of a list field; what is no object is left to validation. */
export function itemsOf(target: Fields, field: string): Fields[] {
  return listOf(target[field]).filter(isFields);
}

function pullPolicy(image: unknown): string {
  const name = typeof image === "string" ? image : "";
  if (name.includes("@")) return "IfNotPresent";
  const tag = /:([^:/]+)$/.exec(name)?.[1] ?? "latest";
  return tag === "latest" ? "Always" : "IfNotPresent";
}

function defaultRequest({ httpGet }: Fields): void {
  if (!isFields(httpGet)) return;
  setDefault(httpGet, "path", "/");
  setDefault(httpGet, "scheme", "HTTP");
}

/** A reference to a field of the pod is one of `v1`. */
function defaultFieldRef(source: Fields): void {
  const reference = fieldsOf(source.fieldRef);
  if (reference.fieldPath !== undefined) setDefault(reference, "apiVersion", "v1");
}

function defaultProbe(probe: Fields): void {
  setDefault(probe, "timeoutSeconds", 1);
  setDefault(probe, "periodSeconds", 10);
  setDefault(probe, "successThreshold", 1);
  setDefault(probe, "failureThreshold", 3);
  defaultRequest(probe);
  if (isFields(probe.grpc)) setDefault(probe.grpc, "service", "");
}

function defaultContainer(container: Fields): void {
  setDefault(container, "imagePullPolicy", pullPolicy(container.image));
  setDefault(container, "terminationMessagePath", "/dev/termination-log");
  setDefault(container, "terminationMessagePolicy", "File");
  setDefault(container, "resources", {});
  for (const port of itemsOf(container, "ports")) setDefault(port, "protocol", "TCP");
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const value = container[probe];
    if (isFields(value)) defaultProbe(value);
  }
  for (const hook of Object.values(fieldsOf(container.lifecycle))) defaultRequest(fieldsOf(hook));
  for (const variable of itemsOf(container, "env")) defaultFieldRef(fieldsOf(variable.valueFrom));
}

function defaultVolume(volume: Fields): void {
  const kinds = Object.keys(volume).filter((key) => key !== "name");
  if (kinds.length === 0) volume.emptyDir = {};
  for (const kind of ["configMap", "secret", "projected", "downwardAPI"]) {
    const source = volume[kind];
    if (isFields(source)) setDefault(source, "defaultMode", 420);
  }
  if (isFields(volume.hostPath)) setDefault(volume.hostPath, "type", "");
  const sources = itemsOf(fieldsOf(volume.projected), "sources");
  for (const { downwardAPI } of [volume, ...sources])
    for (const item of itemsOf(fieldsOf(downwardAPI), "items")) defaultFieldRef(item);
  for (const source of sources) {
    if (isFields(source.serviceAccountToken)) setDefault(source.serviceAccountToken, "expirationSeconds", 3600);
  }
}

/** What Kubernetes fills into a pod's spec, in pods and in templates alike. */
export function defaultPodSpec(spec: Fields): void {
  setDefault(spec, "restartPolicy", "Always");
  setDefault(spec, "dnsPolicy", "ClusterFirst");
  setDefault(spec, "terminationGracePeriodSeconds", 30);
  setDefault(spec, "schedulerName", "default-scheduler");
  setDefault(spec, "securityContext", {});
  if (typeof spec.serviceAccountName === "string") setDefault(spec, "serviceAccount", spec.serviceAccountName);
  else if (typeof spec.serviceAccount === "string") spec.serviceAccountName = spec.serviceAccount;
  for (const list of ["containers", "initContainers", "ephemeralContainers"])
    for (const container of itemsOf(spec, list)) defaultContainer(container);
  for (const volume of itemsOf(spec, "volumes")) defaultVolume(volume);
}

/** What is filled into pods, beyond what templates get too. */
export function defaultPod(spec: Fields): void {
  defaultRequests(spec);
  setDefault(spec, "enableServiceLinks", true);
  defaultPodSpec(spec);
  // less than no time is the shortest that there is
  if (Number(spec.terminationGracePeriodSeconds) < 0) spec.terminationGracePeriodSeconds = 1;
  if (spec.hostNetwork !== true) return;
  for (const container of itemsOf(spec, "containers")) {
    for (const port of itemsOf(container, "ports")) setDefault(port, "hostPort", port.containerPort);
  }
}

/** Requests that are not given are the limits. */
function defaultRequests(spec: Fields): void {
  for (const container of [...itemsOf(spec, "containers"), ...itemsOf(spec, "initContainers")]) {
    const resources = container.resources;
    if (!isFields(resources) || !isFields(resources.limits)) continue;
    resources.requests = { ...resources.limits, ...fieldsOf(resources.requests) };
  }
}
