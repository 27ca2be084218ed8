import type { Field } from "./field.ts";
import type { ListenerRef, TlsContext } from "./rule.ts";

/** Reads `{namespace, name}` of a secret; an absent namespace is that of the policy. */
export function parseSecret(
  value: unknown,
  at: Field,
  namespace: string,
): { namespace: string; name: string } | undefined {
  const secret = { namespace, name: "" };
  const part = (key: keyof typeof secret) => (content: unknown, field: Field) => {
    secret[key] = field.text(content) || secret[key];
  };
  const isRead = at.object(value, { namespace: part("namespace"), name: part("name") });
  if (isRead && secret.name === "") at.child("name").refuse("is required", "name the secret");
  return isRead && secret.name !== "" ? secret : undefined;
}

/** Reads `terminatingTLS` or `originatingTLS`. */
export function parseTls(value: unknown, at: Field, namespace: string): TlsContext | undefined {
  let secret: TlsContext["secret"] | undefined;
  const items = { trustedCA: "", certificate: "", privateKey: "" };
  const item = (key: keyof typeof items) => (content: unknown, field: Field) => {
    items[key] = field.text(content) ?? "";
  };
  const isRead = at.object(
    value,
    {
      secret: (content, field) => {
        secret = parseSecret(content, field, namespace);
      },
      trustedCA: item("trustedCA"),
      certificate: item("certificate"),
      privateKey: item("privateKey"),
    },
    { required: ["secret"] },
  );
  return isRead && secret !== undefined ? { secret, ...items } : undefined;
}

const CONFIG_KINDS = ["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"] as const;
const MOST_PRIORITY = 100;

/**
 * Reads `listener`. Without a kind its configuration is of the policy's own scope: in the policy's namespace, or
 * clusterwide when the namespace is empty.
 */
export function parseListener(value: unknown, at: Field, namespace: string): ListenerRef | undefined {
  let config: { name: string; isClusterwide: boolean } | undefined;
  let name = "";
  let priority = 0;
  const isRead = at.object(
    value,
    {
      envoyConfig: (content, field) => {
        config = parseEnvoyConfig(content, field, namespace);
      },
      name: (content, field) => {
        name = field.text(content) ?? "";
        if (content === "") field.refuse("must not be empty", "name the listener");
      },
      priority: (content, field) => {
        priority = field.integer(content, 0, MOST_PRIORITY) ?? 0;
      },
    },
    { required: ["envoyConfig", "name"] },
  );
  if (!isRead || config === undefined) return undefined;
  const scope = config.isClusterwide ? "" : namespace;
  // A name that already begins with the namespace is taken as it stands.
  const isQualified = name.includes("/") && name.slice(0, name.indexOf("/")) === scope;
  return { name: isQualified ? name : `${scope}/${config.name}/${name}`, priority };
}

function parseEnvoyConfig(
  value: unknown,
  at: Field,
  namespace: string,
): { name: string; isClusterwide: boolean } | undefined {
  let name = "";
  let isClusterwide = namespace === "";
  const isRead = at.object(
    value,
    {
      kind: (content, field) => {
        if (content === "") return;
        const kind = field.choice(content, CONFIG_KINDS);
        if (kind === "CiliumEnvoyConfig" && namespace === "")
          field.refuse("a clusterwide policy cannot use it", "use CiliumClusterwideEnvoyConfig");
        isClusterwide = kind === "CiliumClusterwideEnvoyConfig";
      },
      name: (content, field) => {
        name = field.text(content) ?? "";
        if (content === "") field.refuse("must not be empty", "name the configuration");
      },
    },
    { required: ["name"] },
  );
  return isRead ? { name, isClusterwide } : undefined;
}
