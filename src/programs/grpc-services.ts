import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";
import { routeReflection } from "../wire/grpc-reflection.ts";

/** How a server is, which may change, and who waits to hear of it. */
export class Condition {
  private isServing: boolean;
  private changed = Promise.withResolvers<void>();

  constructor(isServing = true) {
    this.isServing = isServing;
  }

  get serving(): boolean {
    return this.isServing;
  }

  set serving(next: boolean) {
    this.isServing = next;
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }

  /** Resolves with the next change. */
  get next(): Promise<void> {
    return this.changed.promise;
  }
}

/** gRPC's health service, which knows one service by that name. */
function routeHealth(router: ConnectRouter, condition: Condition, name: string): void {
  const now = () => ({ status: condition.serving ? Status.SERVING : Status.NOT_SERVING });
  router.service(Health, {
    check({ service }) {
      if (service !== name) throw new ConnectError(`unknown service: ${service}`, Code.NotFound);
      return now();
    },
    async *watch({ service }, { signal }) {
      const { promise: gone, resolve } = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => resolve());
      while (!signal.aborted) {
        const { next } = condition;
        yield service === name ? now() : { status: Status.SERVICE_UNKNOWN };
        await Promise.race([next, gone]);
      }
    },
  });
}

/**
 * Answers calls of gRPC's health service, for the service of that name (empty: the whole server), and of its reflection, which lists
 * `services`, too. Other calls get 404, which gRPC's clients know as Unimplemented.
 */
export function grpcServices(
  condition: Condition,
  { name = "", services = [] }: { readonly name?: string; readonly services?: readonly DescService[] } = {},
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  return connectNodeAdapter({
    routes(router) {
      routeHealth(router, condition, name);
      routeReflection(router, [...services, Health]);
    },
  });
}
