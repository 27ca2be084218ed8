import { Code, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { ConnectNodeAdapterOptions } from "@connectrpc/connect-node";

/** What gRPC's servers say of a path that is none of a service's; `services` are the names of those that are there. */
function whatIsUnknown(path: string, services: ReadonlySet<string>): string {
  const [service, method] = /^\/(.*)\/([^/]*)$/.exec(path)?.slice(1) ?? [];
  if (service === undefined) return `malformed method name: ${JSON.stringify(path)}`;
  return services.has(service) ? `unknown method ${method} for service ${service}` : `unknown service ${service}`;
}

/** Answers gRPC calls of what is not routed as gRPC's servers do, by the status Unimplemented; all others by 404. */
export function answerUnknown(
  routes: (router: ConnectRouter) => void,
  headers: Readonly<Record<string, string>>,
): NonNullable<ConnectNodeAdapterOptions["fallback"]> {
  const router = createConnectRouter();
  routes(router);
  const services = new Set(router.handlers.map(({ service }) => service.typeName));
  return (request, response) => {
    const isGrpc = /^application\/grpc(?:$|[+;])/.test(request.headers["content-type"] ?? "");
    // by HTTP/1.1 nobody speaks gRPC itself
    if (!isGrpc || !("stream" in response)) {
      response.writeHead(404);
      response.end();
      return;
    }
    // a client may have gone already
    if (response.stream.destroyed) return;
    request.resume();
    const status = {
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": encodeURIComponent(whatIsUnknown(request.url ?? "", services)).replaceAll("%20", " "),
    };
    // without trailers the headers must end the stream
    const answer = { ":status": 200, "content-type": "application/grpc", ...headers, ...status };
    response.stream.respond(answer, { endStream: true });
  };
}
