import { createRegistry, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../proto/gen/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/reflection_v1alpha_pb.js";

type Answer = Pick<ServerReflectionResponse, "messageResponse">["messageResponse"];

function notFound(what: string): Answer {
  return {
    case: "errorResponse",
    value: {
      $typeName: "grpc.reflection.v1.ErrorResponse",
      errorCode: Code.NotFound,
      errorMessage: `${what} is not served here`,
    },
  };
}

/** The file and all that it imports, each once, as they are asked for. */
function withImports(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
  if (found.has(file)) return found;
  found.add(file);
  for (const imported of file.dependencies) withImports(imported, found);
  return found;
}

function filesAnswer(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) return notFound(asked);
  const fileDescriptorProto = [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return {
    case: "fileDescriptorResponse",
    value: { $typeName: "grpc.reflection.v1.FileDescriptorResponse", fileDescriptorProto },
  };
}

/** Answers by the descriptors of these services. No message of theirs has extensions. */
function reflector(services: readonly DescService[]): (request: ServerReflectionRequest) => Answer {
  const files = new Map<string, DescFile>();
  for (const { file } of services) for (const each of withImports(file)) files.set(each.proto.name, each);
  const registry = createRegistry(...files.values());
  const declaring = (symbol: string): DescFile | undefined =>
    (registry.get(symbol) ?? registry.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")))))?.file;
  return ({ messageRequest: asked }) => {
    switch (asked.case) {
      case "listServices": {
        const service = services.map(({ typeName: name }) => ({
          $typeName: "grpc.reflection.v1.ServiceResponse" as const,
          name,
        }));
        return {
          case: "listServicesResponse",
          value: { $typeName: "grpc.reflection.v1.ListServiceResponse", service },
        };
      }
      case "fileByFilename":
        return filesAnswer(files.get(asked.value), asked.value);
      case "fileContainingSymbol":
        return filesAnswer(declaring(asked.value), asked.value);
      case "allExtensionNumbersOfType":
        if (registry.getMessage(asked.value) === undefined) return notFound(asked.value);
        return {
          case: "allExtensionNumbersResponse",
          value: {
            $typeName: "grpc.reflection.v1.ExtensionNumberResponse",
            baseTypeName: asked.value,
            extensionNumber: [],
          },
        };
      default:
        return notFound("that extension");
    }
  };
}

/** Server reflection over these services and itself, under both of its names. */
export function routeReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const answer = reflector([...services, ServerReflection, ServerReflectionV1Alpha]);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionV1Alpha, { serverReflectionInfo });
}
