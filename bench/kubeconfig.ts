import { request } from "node:https";
import type { TestLab } from "../test/support/lab.ts";

/** Where a lab's API server is and how to be let in. PEM texts. */
interface Access {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

interface View {
  readonly clusters: readonly { cluster: { server: string; "certificate-authority-data": string } }[];
  readonly users: readonly { user: { "client-certificate-data": string; "client-key-data": string } }[];
}

/** Reads the kubeconfig of the lab through kubectl. */
async function load(lab: TestLab): Promise<Access> {
  const view = JSON.parse(await lab.ok("kubectl config view --raw -o json")) as View;
  const { cluster } = view.clusters[0]!;
  const { user } = view.users[0]!;
  const decode = (text: string) => Buffer.from(text, "base64");
  return {
    server: cluster.server,
    ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  };
}

/** One call of the API: rejects when the answer is not a success. */
export type Call = (method: string, path: string, body?: string) => Promise<void>;

/** Calls a lab's API server over kept connections: kubectl's own start is not what is measured. */
export async function caller(lab: TestLab): Promise<Call> {
  const { server, ca, cert, key } = await load(lab);
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const headers = { "content-type": type };
      const call = request(`${server}${path}`, { method, ca, cert, key, headers }, (response) => {
        response.resume();
        response.on("end", () => {
          if (response.statusCode! < 300) resolve();
          else reject(new Error(`${method} ${path}: ${response.statusCode}`));
        });
      });
      call.on("error", reject);
      call.end(body);
    });
}
