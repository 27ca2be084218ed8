import { create } from "@bufbuild/protobuf";
import { GetFlowsRequestSchema, type GetFlowsResponse, Observer } from "../../../proto/gen/observer_pb.js";
import { openConnection } from "../hubble/connection.ts";
import { SERVER_FLAGS } from "../hubble/flags.ts";
import { Settings } from "../hubble/settings.ts";
import { parseTime } from "../hubble/time.ts";

const EVERYTHING = 2n ** 64n - 1n;

export interface RelayOptions {
  /** As hubble's `--server`; TLS and the like as hubble's own settings say (HUBBLE_TLS, its file). */
  readonly server: string;
  /** As hubble's `--since`: also what the nodes keep on disk. */
  readonly since?: string;
  /** Goes on with what happens from now on. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** Flows of a server of Hubble: all that it has, or with `follow` those to come. Throws an Error when it cannot be reached. */
export async function* relayFlows({
  server,
  since,
  follow = false,
  signal,
}: RelayOptions): AsyncGenerator<GetFlowsResponse> {
  const settings = new Settings([{ name: "server", value: server }], process.env, SERVER_FLAGS);
  const connection = openConnection(settings);
  const request = create(GetFlowsRequestSchema, {
    follow,
    ...(follow ? {} : { number: EVERYTHING }),
    ...(since === undefined ? {} : { since: parseTime(since, Date.now()) }),
  });
  try {
    yield* connection.client(Observer).getFlows(request, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted) return;
    throw new Error(`${server}: ${(error as Error).message}`);
  }
}
