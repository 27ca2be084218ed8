import type { KeyPair } from "./certificate.ts";

export interface KubeconfigOptions {
  readonly cluster: string;
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly user: string;
  readonly credentials: KeyPair | { readonly token: string };
  readonly namespace?: string;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A kubeconfig file (YAML) with one cluster, one user and one current context. */
export function kubeconfig(options: KubeconfigOptions): string {
  const { credentials } = options;
  const secret =
    "token" in credentials
      ? [`    token: ${credentials.token}`]
      : [`    client-certificate-data: ${base64(credentials.cert)}`, `    client-key-data: ${base64(credentials.key)}`];
  const context = `${options.user}@${options.cluster}`;
  return `${[
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    `- name: ${options.cluster}`,
    "  cluster:",
    `    server: ${options.server}`,
    `    certificate-authority-data: ${base64(options.ca)}`,
    "users:",
    `- name: ${options.user}`,
    "  user:",
    ...secret,
    "contexts:",
    `- name: ${context}`,
    "  context:",
    `    cluster: ${options.cluster}`,
    `    user: ${options.user}`,
    ...(options.namespace ? [`    namespace: ${options.namespace}`] : []),
    `current-context: ${context}`,
    "preferences: {}",
  ].join("\n")}\n`;
}
