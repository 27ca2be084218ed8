import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { Condition, grpcServices } from "../grpc-services.ts";
import { listen } from "../listener.ts";

export interface HealthOptions {
  /** Of gRPC. */
  readonly port: number;
  /** Of the switch, `/make-serving` and `/make-not-serving`. */
  readonly httpPort: number;
  /** The name by which probes ask. */
  readonly service: string;
  /** From when on nothing is served, whatever the switch says; negative: never. */
  readonly delayUnhealthySec: number;
}

/** Serves gRPC's health protocol as `agnhost grpc-health-checking` does. Resolves with the ports and a way to end it. */
export async function serveGrpcHealth(
  options: HealthOptions,
): Promise<{ readonly grpc: number; readonly http: number; close(): void }> {
  const condition = new Condition();
  const { delayUnhealthySec } = options;
  let isLate = false;
  let isMadeIll = false;
  const tell = () => {
    condition.serving = !isLate && !isMadeIll;
  };
  const grow = () => {
    isLate = true;
    tell();
  };
  const timer = delayUnhealthySec < 0 ? undefined : setTimeout(grow, delayUnhealthySec * 1000);
  const grpc = createHttp2Server(grpcServices(condition, { name: options.service }));
  const switches = createServer((request, response) => {
    const wanted = /^\/make-(not-)?serving$/.exec(request.url ?? "");
    if (wanted === null) return void response.writeHead(404).end();
    isMadeIll = wanted[1] !== undefined;
    tell();
    process.stdout.write(`${isMadeIll ? "not serving" : "serving"}, as ${request.url} wants\n`);
    response.end();
  });
  const ports = { grpc: await listen(grpc, options.port), http: await listen(switches, options.httpPort) };
  const close = () => {
    clearTimeout(timer);
    grpc.close();
    switches.close();
  };
  return { ...ports, close };
}
