import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../proto/gen/health_pb.js";
import {
  GetAgentEventsResponseSchema,
  GetDebugEventsResponseSchema,
  type GetFlowsRequest,
  NamespaceSchema,
  NodeSchema,
  Observer,
  type ServerStatusResponse,
  ServerStatusResponseSchema,
} from "../../proto/gen/observer_pb.js";
import { ChangeNotificationSchema, Peer } from "../../proto/gen/peer_pb.js";
import { anyMessage, Chance } from "./any-message.ts";

const many = <D extends DescMessage>(schema: D, count: number, chance: Chance): MessageShape<D>[] =>
  Array.from({ length: count }, () => anyMessage(schema, chance));

/** A Hubble server that answers with anything, the same at every question, and keeps what it was asked. */
export interface AnyServer {
  readonly port: number;
  readonly asked: GetFlowsRequest[];
  status: ServerStatusResponse;
  healthy: boolean;
  close(): Promise<void>;
}

function routes(state: { readonly asked: GetFlowsRequest[]; status: ServerStatusResponse; healthy: boolean }) {
  const chance = new Chance(11);
  const agentEvents = many(GetAgentEventsResponseSchema, 300, chance).filter(({ agentEvent }) => agentEvent);
  const debugEvents = many(GetDebugEventsResponseSchema, 300, chance).filter(({ debugEvent }) => debugEvent);
  // of two nodes of one name either may come first
  const named = many(NodeSchema, 40, chance).map((node, i) => ({ ...node, name: `${(i * 7) % 40} ${node.name}` }));
  const nodes = [...named, create(NodeSchema)];
  const namespaces = many(NamespaceSchema, 10, chance);
  const peers = many(ChangeNotificationSchema, 20, chance);
  return (router: ConnectRouter) => {
    router.service(Observer, {
      async *getFlows(request) {
        state.asked.push(request);
        yield { nodeName: "k8s-w1", responseTypes: { case: "flow", value: { Summary: "one" } } };
        if (request.follow) throw new ConnectError("no more of that", Code.Unknown);
        if (request.first) throw new ConnectError("not for you", Code.PermissionDenied);
      },
      async *getAgentEvents() {
        yield* agentEvents;
      },
      async *getDebugEvents() {
        yield* debugEvents;
      },
      getNodes: () => ({ nodes }),
      getNamespaces: () => ({ namespaces }),
      serverStatus: () => state.status,
    });
    router.service(Health, {
      check: () => ({ status: state.healthy ? Serving.SERVING : Serving.NOT_SERVING }),
    });
    router.service(Peer, {
      async *notify() {
        yield* peers;
      },
    });
  };
}

export async function anyServer(): Promise<AnyServer> {
  const state = { asked: [] as GetFlowsRequest[], status: create(ServerStatusResponseSchema), healthy: true };
  const sessions = new Set<{ destroy(): void }>();
  const server: Http2Server = createServer(connectNodeAdapter({ routes: routes(state) }));
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  });
}
