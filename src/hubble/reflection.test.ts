import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, it } from "vitest";
import { ServerReflection, type ServerReflectionRequest } from "../../proto/gen/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/reflection_v1alpha_pb.js";
import { createFlowRing } from "../flow/index.ts";
import { createObserver, createRelay } from "./index.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function asker(of: "observer" | "relay", service = ServerReflection) {
  const options = { version: "v0.1.0", now: () => 0, nodeName: "n" };
  const server =
    of === "relay" ? createRelay({ ...options, peers: [] }) : createObserver({ ...options, ring: createFlowRing(1) });
  await server.serve([{ host: "127.0.0.1", port: 0 }]);
  closing.push(() => server.close());
  const client = createClient(service, createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }));
  return async (...asked: ServerReflectionRequest["messageRequest"][]) => {
    async function* requests() {
      for (const messageRequest of asked) yield { host: "h", messageRequest };
    }
    const answers = [];
    for await (const { messageResponse } of client.serverReflectionInfo(requests())) answers.push(messageResponse);
    return answers;
  };
}

type Ask = Awaited<ReturnType<typeof asker>>;
async function filesWith(ask: Ask, symbol: string): Promise<FileDescriptorProto[]> {
  const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
  if (answer?.case !== "fileDescriptorResponse") throw new Error(`${symbol}: ${answer?.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

it.each([
  ["observer", ["observer.Observer", "peer.Peer"]],
  ["relay", ["observer.Observer"]],
] as const)("lists the services of an %s under both of its names", async (of, own) => {
  const shared = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
  ];
  for (const service of [ServerReflection, ServerReflectionV1Alpha]) {
    const ask = await asker(of, service as typeof ServerReflection);
    const [answer] = await ask({ case: "listServices", value: "*" });
    expect(answer?.case === "listServicesResponse" && answer.value.service.map(({ name }) => name)).toEqual([
      ...own,
      ...shared,
    ]);
  }
});

it("gives the file of a symbol with all that it imports", async () => {
  const ask = await asker("observer");
  const files = await filesWith(ask, "observer.Observer.GetFlows");
  expect(files[0]?.service[0]?.method.map(({ name }) => name)).toContain("GetAgentEvents");
  const names = new Set(files.map(({ name }) => name));
  expect(files.flatMap(({ dependency }) => dependency).filter((name) => !names.has(name))).toEqual([]);
  expect((await filesWith(ask, "flow.FlowFilter.Experimental"))[0]?.package).toBe("flow");
  expect((await filesWith(ask, "flow.Verdict"))[0]?.package).toBe("flow");
  const [byName] = await ask({ case: "fileByFilename", value: files[1]!.name });
  expect(byName?.case).toBe("fileDescriptorResponse");
});

it("says what it does not have, and goes on", async () => {
  const ask = await asker("observer");
  const answers = await ask(
    { case: "fileContainingSymbol", value: "no.Such" },
    { case: "fileByFilename", value: "no.proto" },
    { case: "allExtensionNumbersOfType", value: "flow.Flow" },
    { case: "allExtensionNumbersOfType", value: "no.Such" },
  );
  const unknown = { case: "errorResponse", value: { errorCode: Code.NotFound } };
  expect(answers).toMatchObject([
    unknown,
    unknown,
    { case: "allExtensionNumbersResponse", value: { baseTypeName: "flow.Flow", extensionNumber: [] } },
    unknown,
  ]);
});
