import { KUBERNETES_SERVICE_IP } from "../model/addresses.ts";
import type { ContainerConfig } from "../runtime/port.ts";
import { apiServerVariables, environmentOf, expandReferences } from "./environment.ts";
import type { PodFacts } from "./field-ref.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { Container, Pod } from "./pod.ts";
import { containerRefusals, refusalText } from "./support.ts";
import { mountsOf, type PodVolumes } from "./volumes.ts";

const KUBERNETES_SERVICE_PORT = 443;

/** What the runtime is told of a container. Rejects when a source is missing or the user is not allowed. */
export async function containerConfig(
  container: Container,
  pod: Pod,
  facts: PodFacts,
  reader: ObjectReader,
  volumes: PodVolumes | undefined,
): Promise<ContainerConfig> {
  const refusals = pod.spec.ephemeralContainers?.some(({ name }) => name === container.name)
    ? containerRefusals(container, `spec.ephemeralContainers{${container.name}}`)
    : [];
  if (refusals.length > 0) throw new Error(refusalText(refusals));
  const base = apiServerVariables(KUBERNETES_SERVICE_IP, KUBERNETES_SERVICE_PORT);
  const environment = await environmentOf(container, pod, facts, reader, base);
  const security = { ...pod.spec.securityContext, ...container.securityContext };
  const uid = security.runAsUser ?? 0;
  if (security.runAsNonRoot === true && uid === 0) {
    throw new Error("container has runAsNonRoot and image will run as root: set securityContext.runAsUser");
  }
  return {
    name: container.name,
    image: container.image ?? "",
    ...(container.command?.length
      ? { command: container.command.map((word) => expandReferences(word, environment)) }
      : {}),
    ...(container.args?.length ? { args: container.args.map((word) => expandReferences(word, environment)) } : {}),
    env: [...environment].map(([name, value]) => ({ name, value })),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    mounts: volumes === undefined ? [] : mountsOf(container, volumes),
    tty: container.tty === true,
    ...(container.stdin === true ? { stdin: container.stdinOnce === true ? "once" : "open" } : {}),
    ...(container.targetContainerName ? { sharesProcessesOf: container.targetContainerName } : {}),
    user: { uid, gid: security.runAsGroup ?? 0 },
    readOnlyRoot: security["readOnlyRootFilesystem"] === true,
  };
}
