/** OpenAPI documents: what kubectl reads to explain kinds, to check manifests and to compute patches. */
export type { ServedKind } from "./definitions.ts";
export { openApiV2, type V2Document } from "./v2.ts";
export { openApiV2Protobuf } from "./v2-protobuf.ts";
export { openApiV3, openApiV3Index, type V3Index } from "./v3.ts";
