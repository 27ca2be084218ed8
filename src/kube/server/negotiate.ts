import { notAcceptable } from "../status.ts";

/** How an answer is to be written. */
export interface Format {
  readonly encoding: "json" | "yaml";
  /** The shape asked for: the object itself when undefined. */
  readonly as?: "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList" | "APIGroupDiscoveryList";
  /** The version of the shape's group. */
  readonly version?: string;
}

const ENCODINGS = new Map<string, Format["encoding"]>([
  ["application/json", "json"],
  ["application/*", "json"],
  ["*/*", "json"],
  ["application/yaml", "yaml"],
]);

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  Table: ["v1", "v1beta1"],
  PartialObjectMetadata: ["v1", "v1beta1"],
  PartialObjectMetadataList: ["v1", "v1beta1"],
  APIGroupDiscoveryList: ["v2", "v2beta1"],
};

function parseRange(range: string): Format | undefined {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
  const encoding = ENCODINGS.get(type.toLowerCase());
  if (!encoding) return undefined;
  const values = new Map(parameters.map((parameter) => parameter.split("=", 2) as [string, string]));
  const as = values.get("as");
  if (as === undefined) return { encoding };
  const version = values.get("v") ?? "v1";
  if (!VERSIONS[as]?.includes(version)) return undefined;
  return { encoding, as: as as NonNullable<Format["as"]>, version };
}

/**
 * The first format of an Accept header that is served, in the header's order; `shapes` are the ones this path can make.
 * Throws 406 when there is none, as for clients that take protobuf only.
 */
export function negotiate(accept: string | undefined, shapes: readonly string[] = []): Format {
  if (!accept) return { encoding: "json" };
  for (const range of accept.split(",")) {
    const format = parseRange(range);
    if (format && (format.as === undefined || shapes.includes(format.as))) return format;
  }
  throw notAcceptable(["application/json", "application/yaml"]);
}
