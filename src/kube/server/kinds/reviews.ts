import { declareKind, type ResourceKind } from "../kind.ts";
import { REVIEWS } from "../reviews.ts";

/** Reviews as kinds, so that discovery names them. */
export const reviewKinds: readonly ResourceKind[] = REVIEWS.map(({ group, kind, resource }) =>
  declareKind({ group, version: "v1", kind, resource, namespaced: kind.startsWith("Local"), verbs: ["create"] }),
);
