import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { type Fields, fieldsOf, listOf } from "../object.ts";

/** What a program gives to log in with; PEM and a bearer token. */
export interface GivenCredentials {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Longer than anybody logs in. */
const LONGEST_MS = 60_000;
const VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/**
 * Runs the program of a kubeconfig's `user.exec` (relative to the kubeconfig's folder where it has a slash), as clusters of the
 * large clouds want it, and takes the ExecCredential that it prints. It may write to standard error, and gets no input. Throws an
 * Error that names the program where it fails, or prints something else.
 */
export async function askProgram(
  exec: Fields,
  directory: string,
  cluster: { readonly server: string; readonly ca: string | undefined },
): Promise<GivenCredentials> {
  const { apiVersion, command, installHint } = exec;
  if (typeof command !== "string") throw new Error("user.exec names no command");
  if (typeof apiVersion !== "string" || !VERSIONS.includes(apiVersion))
    throw new Error(`user.exec of ${command}: apiVersion ${String(apiVersion)} is none of ${VERSIONS.join(", ")}`);
  const program = command.includes("/") ? resolve(directory, command) : command;
  const given = listOf(exec.env).map((pair) => [String(fieldsOf(pair).name), String(fieldsOf(pair).value)]);
  const about = {
    apiVersion,
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo === true
        ? {
            cluster: {
              server: cluster.server,
              ...(cluster.ca === undefined
                ? {}
                : { "certificate-authority-data": Buffer.from(cluster.ca).toString("base64") }),
            },
          }
        : {}),
    },
  };
  const env = { ...process.env, ...Object.fromEntries(given), KUBERNETES_EXEC_INFO: JSON.stringify(about) };
  const printed = await run(program, listOf(exec.args).map(String), env).catch((error: Error) => {
    throw new Error(`user.exec: ${error.message}${typeof installHint === "string" ? ` (${installHint.trim()})` : ""}`);
  });
  return credentialOf(printed, command);
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((give, fail) => {
    const child = execFile(program, args, { env, timeout: LONGEST_MS }, (error, stdout, stderr) => {
      if (error === null) give(stdout);
      else if ("code" in error && error.code === "ENOENT") fail(new Error(`there is no program ${program}`));
      else fail(new Error(`${program} failed: ${stderr.trim() || error.message}`));
    });
    child.stdin?.end();
  });
}

function credentialOf(printed: string, command: string): GivenCredentials {
  let status: Fields;
  try {
    status = fieldsOf(fieldsOf(JSON.parse(printed)).status);
  } catch {
    throw new Error(`user.exec: ${command} printed no ExecCredential`);
  }
  const { token, clientCertificateData: cert, clientKeyData: key } = status;
  const found = Object.entries({ token, cert, key }).filter(([, value]) => typeof value === "string" && value !== "");
  if (found.length === 0) throw new Error(`user.exec: ${command} printed neither a token nor a certificate`);
  return Object.fromEntries(found) as GivenCredentials;
}
