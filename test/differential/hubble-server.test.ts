import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServerStatusResponseSchema } from "../../proto/gen/observer_pb.js";
import { oracle, skipNote } from "../oracle/cache.ts";
import { anyMessage, Chance } from "../support/any-message.ts";
import { comparable, ourHubble, runHubble } from "../support/hubble-command.ts";
import { type AnyServer, anyServer } from "../support/hubble-server.ts";

const real = oracle("hubble");

describe.skipIf("missing" in real)(`beside the real hubble command, with a server${skipNote(real)}`, () => {
  const program = "path" in real ? real.path : "";
  let server: AnyServer;
  beforeAll(async () => {
    server = await anyServer();
  });
  afterAll(() => server.close());

  const both = async (...args: readonly string[]) => {
    const env = { HUBBLE_SERVER: `127.0.0.1:${server.port}` };
    const [theirs, ours] = await Promise.all([runHubble(program, args, env), ourHubble(args, env)]);
    return { theirs: comparable(theirs), ours: comparable(ours) };
  };

  it.each(
    ["agent-events", "debug-events"].flatMap((kind) =>
      ["compact", "dict", "table", "json"].flatMap((format) =>
        [[], ["--print-node-name", "--time-format", "RFC3339Nano"]].map(
          (more) => [[kind, "-o", format, ...more].join(" "), ["observe", kind, "-o", format, ...more]] as const,
        ),
      ),
    ),
  )("prints the same events: %s", async (_name, args) => {
    const { ours, theirs } = await both(...args);
    expect(theirs.out.length).toBeGreaterThan(3000);
    expect(ours).toEqual(theirs);
  });

  it.each(["nodes", "namespaces"].flatMap((what) => ["table", "wide", "json", "yaml"].map((format) => [what, format])))(
    "lists the same %s as %s",
    async (what, format) => {
      const { ours, theirs } = await both("list", what ?? "", "-o", format ?? "");
      expect(ours).toEqual(theirs);
    },
  );

  it("watches the same peers", async () => {
    const { ours, theirs } = await both("watch", "peers");
    expect(theirs.out).toContain("PEER_ADDED");
    expect(ours).toEqual(theirs);
  });

  it("shows the same status in every format", async () => {
    const chance = new Chance(5);
    for (let i = 0; i < 12; i++) {
      server.status = anyMessage(ServerStatusResponseSchema, chance);
      for (const format of ["compact", "dict", "table", "tab", "json", "jsonpb", "yaml"]) {
        const { ours, theirs } = await both("status", "-o", format);
        expect(ours).toEqual(theirs);
      }
    }
  });

  it("says the same of a server that is not well", async () => {
    server.healthy = false;
    const { ours, theirs } = await both("status");
    server.healthy = true;
    expect(theirs).toMatchObject({ code: 1, err: "not healthy\n" });
    expect(ours).toEqual(theirs);
  });

  it.each([
    [["observe"]],
    [["observe", "-f"]],
    [["observe", "--first", "3"]],
    [["observe", "--all", "-o", "json"]],
    [["observe", "--since", "2026-01-01"]],
    [["observe", "--last", "2", "--until", "2026-01-01", "--pod", "a", "--not", "--verdict", "DROPPED"]],
    [["observe", "-o", "json", "--field-mask", "time,source.identity"]],
    [["observe", "--use-default-field-masks=false", "-o", "dict"]],
  ])("asks the same question and takes the same answer: %j", async (args) => {
    server.asked.length = 0;
    const { ours, theirs } = await both(...args);
    expect(ours).toEqual(theirs);
    const [one, other] = server.asked;
    expect(server.asked).toHaveLength(2);
    expect(one).toEqual(other);
  });

  it("of a server that holds more than one can count", async () => {
    server.status = create(ServerStatusResponseSchema, { numFlows: 2n ** 64n - 1n, maxFlows: 3n, uptimeNs: 2n ** 63n });
    for (const format of ["compact", "dict"]) {
      const { ours, theirs } = await both("status", "-o", format);
      expect(ours).toEqual(theirs);
    }
  });
});
