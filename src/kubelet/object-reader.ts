import { ConfigMaps, type KubeClient, KubeError, Secrets } from "../kube/client/index.ts";
import { fieldsOf } from "../kube/object.ts";

export type ObjectData = Readonly<Record<string, Buffer>>;

/** Reads what pods mount or take into their environment. */
export interface ObjectReader {
  /** The keys of a ConfigMap or Secret. A missing one is empty when `optional`, an error that names it otherwise. */
  data(kind: "configMap" | "secret", namespace: string, name: string, optional: boolean): Promise<ObjectData>;
  /** A token of the service account, bound to the pod. */
  token(
    namespace: string,
    account: string,
    pod: { name: string; uid: string },
    request: { audience?: string; expirationSeconds?: number },
  ): Promise<{ token: string; expiresAtMs: number }>;
}

function buffers(fields: unknown, encoding: BufferEncoding): [string, Buffer][] {
  return Object.entries(fieldsOf(fields)).map(([key, value]) => [key, Buffer.from(String(value), encoding)]);
}

/** Reads through the API; nothing is kept. */
export function createObjectReader(client: KubeClient): ObjectReader {
  return {
    async data(kind, namespace, name, optional) {
      try {
        const object = await client.get(kind === "configMap" ? ConfigMaps : Secrets, name, namespace);
        const plain = kind === "configMap" ? buffers(object["data"], "utf8") : buffers(object["stringData"], "utf8");
        const encoded =
          kind === "configMap" ? buffers(object["binaryData"], "base64") : buffers(object["data"], "base64");
        return Object.fromEntries([...plain, ...encoded]);
      } catch (error) {
        if (!(error instanceof KubeError) || error.code !== 404) throw error;
        if (optional) return {};
        throw new Error(`${kind.toLowerCase()} "${name}" not found`);
      }
    },
    async token(namespace, account, pod, request) {
      const answer = fieldsOf(
        await client.raw("POST", `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: {
            ...(request.audience ? { audiences: [request.audience] } : {}),
            expirationSeconds: request.expirationSeconds ?? 3607,
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name: pod.name, uid: pod.uid },
          },
        }),
      );
      const status = fieldsOf(answer["status"]);
      if (typeof status["token"] !== "string")
        throw new Error(`the API server gave no token for service account ${account}`);
      return { token: status["token"], expiresAtMs: Date.parse(String(status["expirationTimestamp"])) };
    },
  };
}
