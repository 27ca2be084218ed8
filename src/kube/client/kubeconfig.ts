import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Fields, fieldsOf, listOf } from "../object.ts";
import { askProgram } from "./exec-credential.ts";

/** How to reach a server, and as whom. All PEM. */
export interface Credentials {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

/** An entry of a list, and the folder of its file, to which its paths are relative. */
interface Entry {
  readonly name: unknown;
  readonly fields: Fields;
  readonly directory: string;
}

interface Kubeconfig {
  readonly current: string | undefined;
  readonly contexts: readonly Entry[];
  readonly clusters: readonly Entry[];
  readonly users: readonly Entry[];
}

function entriesOf(list: unknown, part: string, directory: string): Entry[] {
  return listOf(list).map((item) => ({
    name: fieldsOf(item).name,
    fields: fieldsOf(fieldsOf(item)[part]),
    directory,
  }));
}

function named(entries: readonly Entry[], name: unknown, part: string): Entry {
  const entry = entries.find((each) => each.name === name);
  if (entry !== undefined) return entry;
  const names = entries.map((each) => String(each.name)).join(", ");
  const there = `; it has ${names === "" ? "none" : names}`;
  if (name === undefined || name === "") throw new Error(`the kubeconfig has no current context: name one${there}`);
  throw new Error(`the kubeconfig has no ${part} named ${JSON.stringify(name)}${there}`);
}

/** The PEM that a field holds: inline in base64, or in a file relative to the kubeconfig. */
function material({ fields, directory }: Entry, field: string): string | undefined {
  const inline = fields[`${field}-data`];
  if (typeof inline === "string") return Buffer.from(inline, "base64").toString();
  const path = fields[field];
  return typeof path === "string" ? readFileSync(resolve(directory, path), "utf8") : undefined;
}

function parsed(text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch {
    // The parser's words would show what stands there, and that is secret.
    return undefined;
  }
}

/** Of entries with one name the first counts, and the first current context, as kubectl has it. */
async function readAll(paths: readonly string[]): Promise<Kubeconfig> {
  // Loaded only when a file is read: processes of the lab are given their credentials.
  const yaml = await import("yaml");
  const files = paths.map((path) => {
    const config = fieldsOf(parsed(readFileSync(path, "utf8"), yaml.parse));
    if (Object.keys(config).length === 0) throw new Error(`${path} is no kubeconfig`);
    const directory = dirname(path);
    const list = (key: string, part: string) => entriesOf(config[key], part, directory);
    return {
      current: typeof config["current-context"] === "string" ? config["current-context"] : undefined,
      contexts: list("contexts", "context"),
      clusters: list("clusters", "cluster"),
      users: list("users", "user"),
    };
  });
  return {
    current: files.find(({ current }) => current !== undefined && current !== "")?.current,
    contexts: files.flatMap(({ contexts }) => contexts),
    clusters: files.flatMap(({ clusters }) => clusters),
    users: files.flatMap(({ users }) => users),
  };
}

/**
 * A context of a kubeconfig file, or of several taken together, the current one unless it is named. Throws for what is missing,
 * and for ways to log in that are not spoken here.
 */
export async function readKubeconfig(path: string | readonly string[], contextName?: string): Promise<Credentials> {
  const config = await readAll([path].flat());
  const { fields: context } = named(config.contexts, contextName ?? config.current, "context");
  const cluster = named(config.clusters, context.cluster, "cluster");
  const user = named(config.users, context.user, "user");
  for (const way of ["auth-provider", "username", "as"]) {
    if (user.fields[way])
      throw new Error(`user.${way} is not supported; use a client certificate, a token or user.exec`);
  }
  if (cluster.fields["insecure-skip-tls-verify"])
    throw new Error("insecure-skip-tls-verify is not supported; give certificate-authority");
  for (const way of ["tls-server-name", "proxy-url"])
    if (cluster.fields[way]) throw new Error(`cluster.${way} is not supported`);
  if (typeof cluster.fields.server !== "string") throw new Error(`cluster ${String(cluster.name)} has no server`);
  const { tokenFile, exec } = user.fields;
  const token =
    typeof tokenFile === "string" ? readFileSync(resolve(user.directory, tokenFile), "utf8").trim() : user.fields.token;
  const ca = material(cluster, "certificate-authority");
  return {
    server: cluster.fields.server,
    ...optional("ca", ca),
    ...optional("cert", material(user, "client-certificate")),
    ...optional("key", material(user, "client-key")),
    ...optional("token", typeof token === "string" ? token : undefined),
    ...(exec === undefined
      ? {}
      : await askProgram(fieldsOf(exec), user.directory, { server: cluster.fields.server, ca })),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };
}
