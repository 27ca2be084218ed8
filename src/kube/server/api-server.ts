import { constants } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { SERVICE_CIDR } from "../../model/addresses.ts";
import type { KubeObject } from "../object.ts";
import { API_SERVER_NAMES, type Authority, openAuthority } from "../pki/authority.ts";
import { kubeconfig } from "../pki/kubeconfig.ts";
import { tokenAuthority } from "../pki/token.ts";
import * as schema from "../schema/index.ts";
import { badRequest, methodNotAllowed } from "../status.ts";
import { SqliteStore } from "../storage/sqlite-store.ts";
import { authenticate } from "./authentication.ts";
import { authorizePath, authorizeResource } from "./authorization.ts";
import { bootstrap } from "./bootstrap.ts";
import type { AdmissionHook, AdviceHook, Api } from "./context.ts";
import { DEFINITIONS, serveDefinitions } from "./custom-resources.ts";
import { startEventExpiry } from "./event-expiry.ts";
import { Documents, handlePath } from "./handle-path.ts";
import { handleResource, kindOf } from "./handle-resource.ts";
import { appsKinds } from "./kinds/apps.ts";
import { batchKinds } from "./kinds/batch.ts";
import { coreKinds } from "./kinds/core.ts";
import { inertKinds } from "./kinds/inert.ts";
import { otherKinds } from "./kinds/others.ts";
import { reviewKinds } from "./kinds/reviews.ts";
import { bringUpToDate } from "./older-objects.ts";
import { Registry } from "./registry.ts";
import { parseResourcePath, verbOf } from "./request-info.ts";
import { writeError } from "./respond.ts";
import { serviceRanges } from "./service-range.ts";
import { proxyUpgrade, refuseUpgrade } from "./subresources/kubelet-proxy.ts";
import { Pages } from "./verbs/list.ts";

/** Where to listen: an address, or a socket that listens already (its file descriptor). */
export type Listener = { readonly host: string; readonly port: number } | { readonly fd: number };

export interface ApiServerOptions {
  /** The SQLite file; `:memory:` keeps nothing. */
  readonly store: string;
  /** The certificate authority's directory; made when missing. */
  readonly certificates: string;
  /** A number of 31 bits for the program that runs: objects that another one wrote are brought up to date. All are looked at when not given. */
  readonly program?: number;
  readonly listeners: readonly Listener[];
  /** Rules of the lab beyond the schemas. */
  readonly admission?: readonly AdmissionHook[];
  /** What is said of objects that are accepted. */
  readonly advice?: readonly AdviceHook[];
  /** Definitions installed at start; Cilium's when not given. */
  readonly definitions?: readonly KubeObject[];
  /** More names or addresses for the server's certificate. */
  readonly serverNames?: readonly string[];
  /** Where services have their addresses: one range, or one of each family; the lab's IPv4 range when not given. */
  readonly serviceCidrs?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface ApiServer {
  readonly authority: Authority;
  /** The ports listened on, in the listeners' order. */
  readonly ports: readonly number[];
  /** A kubeconfig for cluster administrators, for a server address like `https://127.0.0.1:6443`. */
  adminKubeconfig(server: string): string;
  /** Ends watches and connections, and closes the store; a second call does nothing more. */
  close(): Promise<void>;
}

/** An API server on its store; nothing listens yet when this returns. Throws when the first objects cannot be made. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const authority = openAuthority(options.certificates);
  const now = options.now ?? Date.now;
  const store = new SqliteStore(options.store);
  const registry = new Registry();
  for (const kind of [...coreKinds, ...appsKinds, ...batchKinds, ...otherKinds, ...inertKinds, ...reviewKinds])
    registry.add(kind);
  const client = authority.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"]);
  const api: Api = {
    store,
    registry,
    schema,
    admission: options.admission ?? [],
    advice: options.advice ?? [],
    tokens: tokenAuthority(authority.tokenKey),
    kubelet: { ...client, ca: authority.ca },
    serviceRanges: serviceRanges(options.serviceCidrs ?? [SERVICE_CIDR]),
    now,
  };
  await schema.loadRules([options.definitions, store.list(DEFINITIONS).map(({ object }) => object)]);
  bringUpToDate(store, registry, options.program ?? 0);
  const stopServing = serveDefinitions(store, registry);
  bootstrap(api, options.definitions ?? schema.ciliumCrds);
  const stopExpiry = startEventExpiry(store, now);
  const names = [...API_SERVER_NAMES, ...(options.serverNames ?? [])];
  const pair = authority.server("apiserver", "kube-apiserver", names);
  const servers = options.listeners.map(() => httpsServer(api, { ...pair, ca: authority.ca }));
  const sockets = servers.map(trackSockets);
  await Promise.all(servers.map((server, index) => listen(server, options.listeners[index]!)));
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    stopExpiry();
    stopServing();
    await Promise.all(servers.map((server, index) => closeServer(server, sockets[index]!)));
    store.close();
  };
  return {
    authority,
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    adminKubeconfig: (server) =>
      kubeconfig({
        cluster: "shieldgate",
        server,
        ca: authority.ca,
        user: "kubernetes-admin",
        credentials: authority.client("admin", "kubernetes-admin", ["system:masters"]),
      }),
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

function listen(server: Server, listener: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(listener, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function closeServer(server: Server, sockets: ReadonlySet<Duplex>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Also those that were upgraded, of which the HTTP server knows nothing any more.
    for (const socket of sockets) socket.destroy();
  });
}

/** The open connections of a server, upgraded ones too. */
function trackSockets(server: Server): ReadonlySet<Duplex> {
  const sockets = new Set<Duplex>();
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  return sockets;
}

function httpsServer(api: Api, tls: { cert: string; key: string; ca: string }): Server {
  const documents = new Documents(api);
  const pages = new Pages();
  const server = createServer(
    {
      ...tls,
      ALPNProtocols: ["http/1.1"],
      requestCert: true,
      // Who has no certificate may still have a token.
      rejectUnauthorized: false,
      // A resumed session carries no client certificate.
      secureOptions: constants.SSL_OP_NO_TICKET,
      minVersion: "TLSv1.2",
      noDelay: true,
      keepAliveTimeout: 120_000,
      // Watches have no end.
      requestTimeout: 0,
    },
    (request, response) => {
      dispatch(api, documents, pages, request, response).catch((error) => writeError(response, error));
    },
  );
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    try {
      upgrade(api, request, socket, head);
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  });
  return server;
}

function targetOf(api: Api, request: IncomingMessage, url: URL) {
  const info = parseResourcePath(url.pathname);
  const user = authenticate(request, api.tokens, api.store, api.now());
  if (!info) return { user, info, verb: (request.method ?? "GET").toLowerCase() };
  const verb = verbOf(request.method ?? "GET", info, url.searchParams);
  authorizeResource(api.store, user, verb, info);
  return { user, info, verb };
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? "/", "https://server");
  } catch {
    throw badRequest("the request's path cannot be read");
  }
}

async function dispatch(
  api: Api,
  documents: Documents,
  pages: Pages,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = urlOf(request);
  const { user, info, verb } = targetOf(api, request, url);
  if (!info) {
    authorizePath(api.store, user, verb, url.pathname);
    return handlePath(api, documents, url.pathname, request, response);
  }
  const kind = kindOf(api, info);
  const target = { kind, namespace: info.namespace, name: info.name, subresource: info.subresource };
  return handleResource({ api, pages, user, verb, target, query: url.searchParams, request, response });
}

function upgrade(api: Api, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const url = urlOf(request);
  const { info } = targetOf(api, request, url);
  if (!info || !["exec", "attach", "portforward"].includes(info.subresource)) throw methodNotAllowed();
  const kind = kindOf(api, info);
  const target = { kind, namespace: info.namespace, name: info.name, subresource: info.subresource };
  proxyUpgrade(api, target, url.searchParams, request, socket, head);
}
