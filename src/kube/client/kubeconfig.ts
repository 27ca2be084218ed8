import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Fields, fieldsOf, listOf } from "../object.ts";

/** How to reach a server, and as whom. All PEM. */
export interface Credentials {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

function named(list: unknown, name: unknown, part: string): Fields {
  const entry = listOf(list).find((item) => fieldsOf(item).name === name);
  if (!entry) throw new Error(`the kubeconfig has no ${part} named ${JSON.stringify(name)}`);
  return fieldsOf(fieldsOf(entry)[part]);
}

/** The PEM that a field holds: inline in base64, or in a file relative to the kubeconfig. */
function material(entry: Fields, field: string, directory: string): string | undefined {
  const inline = entry[`${field}-data`];
  if (typeof inline === "string") return Buffer.from(inline, "base64").toString();
  const path = entry[field];
  return typeof path === "string" ? readFileSync(resolve(directory, path), "utf8") : undefined;
}

/**
 * A context of a kubeconfig file, the current one unless it is named. Throws for what is missing, and for ways to log in that are
 * not spoken here.
 */
export async function readKubeconfig(path: string, contextName?: string): Promise<Credentials> {
  // Loaded only when a file is read: processes of the lab are given their credentials.
  const yaml = await import("yaml");
  const config = fieldsOf(yaml.parse(readFileSync(path, "utf8")));
  const context = named(config.contexts, contextName ?? config["current-context"] ?? "", "context");
  const cluster = named(config.clusters, context.cluster, "cluster");
  const user = named(config.users, context.user, "user");
  const directory = dirname(path);
  for (const way of ["exec", "auth-provider", "username"]) {
    if (user[way] !== undefined)
      throw new Error(`${path}: user.${way} is not supported; use a client certificate or a token`);
  }
  if (cluster["insecure-skip-tls-verify"]) {
    throw new Error(`${path}: insecure-skip-tls-verify is not supported; give certificate-authority`);
  }
  const tokenFile = user.tokenFile;
  const token = typeof tokenFile === "string" ? readFileSync(resolve(directory, tokenFile), "utf8").trim() : user.token;
  return {
    server: String(cluster.server),
    ...optional("ca", material(cluster, "certificate-authority", directory)),
    ...optional("cert", material(user, "client-certificate", directory)),
    ...optional("key", material(user, "client-key", directory)),
    ...optional("token", typeof token === "string" ? token : undefined),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };
}
