import type { TestLab } from "../test/support/lab.ts";

/** Where a lab's API server is and how to be let in. PEM texts. */
export interface Access {
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
export async function load(lab: TestLab): Promise<Access> {
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
