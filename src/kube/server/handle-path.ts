import type { IncomingMessage, ServerResponse } from "node:http";
import { openApiV2, openApiV2Protobuf, openApiV3, openApiV3Index } from "../openapi/index.ts";
import { methodNotAllowed, pathNotFound } from "../status.ts";
import type { Api } from "./context.ts";
import { aggregatedDiscovery, coreVersions, groupInfo, groupList, resourceList, VERSION } from "./discovery.ts";
import { negotiate } from "./negotiate.ts";
import { writeText, writeValue } from "./respond.ts";

const OPENAPI_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const HEALTH = /^\/(healthz|livez|readyz)(\/[a-z-]+)?$/;

type Document = object | Uint8Array | undefined;

/** Documents that are made from the kinds: kept until a kind comes or goes. */
export class Documents {
  readonly #api: Api;
  #generation = -1;
  #kept = new Map<string, Document>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** The kept document, or the one that `make` makes of the kinds. */
  get<T extends Document>(name: string, make: (kinds: ReturnType<Api["registry"]["all"]>) => T): T {
    const { registry } = this.#api;
    if (this.#generation !== registry.generation) {
      this.#generation = registry.generation;
      this.#kept = new Map();
    }
    if (!this.#kept.has(name)) this.#kept.set(name, make(registry.all()));
    return this.#kept.get(name) as T;
  }
}

/** What a health path says: the server answers while it can read and write, so every check holds. */
function healthText(name: string, url: string): string {
  if (!new URL(url, "https://server").searchParams.has("verbose")) return "ok";
  return `[+]ping ok\n[+]storage ok\n${name} check passed\n`;
}

/** Answers what is no resource: health, version, discovery, OpenAPI. Throws 404, 405, 406. */
export async function handlePath(
  api: Api,
  documents: Documents,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
  const health = HEALTH.exec(path);
  if (health) return writeText(response, 200, "text/plain; charset=utf-8", healthText(health[1]!, request.url ?? ""));
  if (path === "/openapi/v2") return answerOpenApiV2(documents, request, response);
  const accept = request.headers.accept;
  if (path === "/api" || path === "/apis") {
    const format = negotiate(accept, ["APIGroupDiscoveryList"]);
    const core = path === "/api";
    const plain = core ? coreVersions() : groupList(api.registry);
    const aggregated = format.as !== undefined;
    return writeValue(
      response,
      200,
      format,
      aggregated ? aggregatedDiscovery(api.registry, core, format.version ?? "v2") : plain,
    );
  }
  const document = documentAt(api, documents, path);
  if (!document) throw pathNotFound();
  return writeValue(response, 200, negotiate(accept), document);
}

function documentAt(api: Api, documents: Documents, path: string): object | undefined {
  const [root, second, third, ...rest] = path.split("/").filter((segment) => segment !== "");
  if (path === "/") return { paths: rootPaths(api) };
  if (root === "version") return VERSION;
  if (root === "api" && second !== undefined && third === undefined) return resourceList(api.registry, "", second);
  if (root === "apis" && second !== undefined && rest.length === 0) {
    return third === undefined ? groupInfo(api.registry, second) : resourceList(api.registry, second, third);
  }
  if (root !== "openapi" || second !== "v3") return undefined;
  if (third === undefined) return documents.get("v3", openApiV3Index);
  const [group, version] = third === "api" ? ["", rest[0]] : [rest[0] ?? "", path.split("/")[5]];
  return version === undefined ? undefined : documents.get(path, (kinds) => openApiV3(kinds, group ?? "", version));
}

function rootPaths(api: Api): string[] {
  const groups = [...api.registry.groups()].flatMap(([group, versions]) => [
    `/apis/${group}`,
    ...versions.map((version) => `/apis/${group}/${version}`),
  ]);
  return [
    "/api",
    "/api/v1",
    "/apis",
    ...groups,
    "/healthz",
    "/livez",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
  ];
}

function answerOpenApiV2(
  documents: Documents,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | void {
  const document = documents.get("v2", openApiV2);
  if (request.headers.accept?.includes(OPENAPI_PROTOBUF)) {
    const bytes = documents.get("v2.pb", () => openApiV2Protobuf(document));
    return writeText(response, 200, "application/octet-stream", bytes);
  }
  return writeValue(response, 200, { encoding: "json" }, document);
}
