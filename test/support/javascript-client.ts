/** The official JavaScript client of Kubernetes, against a server that a kubeconfig file names. */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import * as k8s from "@kubernetes/client-node";

function configuration(kubeconfig: string): k8s.KubeConfig {
  const config = new k8s.KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

/** Runs a command in a pod of the default namespace over its WebSocket. */
export async function execByJavaScript(kubeconfig: string, pod: string, command: string[]) {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const status = await new Promise<k8s.V1Status>((resolve, reject) => {
    const exec = new k8s.Exec(configuration(kubeconfig));
    exec.exec("default", pod, "", command, output, errors, null, false, resolve).catch(reject);
  });
  output.end();
  errors.end();
  return { output: await text(output), errors: await text(errors), status };
}

/** What a port of a pod of the default namespace answers to a line, over the client's WebSocket. */
export async function forwardByJavaScript(kubeconfig: string, pod: string, port: number, line: string) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const forward = new k8s.PortForward(configuration(kubeconfig));
  const socket = await forward.portForward("default", pod, [port], output, errors, input);
  input.write(line);
  if (typeof socket === "function") throw new Error("the client gave no socket");
  await new Promise((resolve) => socket.once("close", resolve));
  output.end();
  errors.end();
  return { output: await text(output), errors: await text(errors) };
}

interface Settings {
  create(data: Record<string, string>): Promise<unknown>;
  change(data: Record<string, string>): Promise<unknown>;
  remove(): Promise<unknown>;
}

/** What an informer of config maps heard, one step at a time, until `told` was gone. */
export async function watchByJavaScript(
  kubeconfig: string,
  tell: (settings: Settings) => Promise<void>,
): Promise<string[]> {
  const config = configuration(kubeconfig);
  const api = config.makeApiClient(k8s.CoreV1Api);
  const namespace = "default";
  const heard: string[] = [];
  let told = (): void => {};
  const step = (change: () => Promise<unknown>) => async () => {
    const next = new Promise<void>((resolve) => {
      told = resolve;
    });
    await change();
    await next;
  };
  const list = () => api.listNamespacedConfigMap({ namespace });
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
  for (const verb of ["add", "update", "delete"] as const)
    informer.on(verb, ({ metadata, data }) => {
      heard.push([verb, metadata?.name, data?.["a"]].filter((word) => word !== undefined).join(" "));
      told();
    });
  await informer.start();
  const body = (data: Record<string, string>) => ({ metadata: { name: "told" }, data });
  await tell({
    create: (data) => step(() => api.createNamespacedConfigMap({ namespace, body: body(data) }))(),
    change: (data) => step(() => api.replaceNamespacedConfigMap({ namespace, name: "told", body: body(data) }))(),
    remove: () => step(() => api.deleteNamespacedConfigMap({ namespace, name: "told" }))(),
  });
  await informer.stop();
  return heard;
}
