import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DescMessage, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, it } from "vitest";
import { file_flow } from "../../proto/gen/flow_pb.js";
import { file_observer } from "../../proto/gen/observer_pb.js";
import { file_peer } from "../../proto/gen/peer_pb.js";
import { file_relay } from "../../proto/gen/relay_pb.js";
import { CILIUM_RELEASE } from "../oracle/cache.ts";
import { randomMessage } from "../support/random-messages.ts";

const OURS = fileURLToPath(new URL("../../proto", import.meta.url));
const modules = spawnSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).stdout?.trim() ?? "";
/** Upstream's own definitions, in the module from which the oracles are built. */
const UPSTREAM = join(modules, `github.com/cilium/cilium@${CILIUM_RELEASE}/api/v1`);
const hasUpstream = modules !== "" && existsSync(UPSTREAM);
const without = hasUpstream ? "" : " (skipped: upstream's module is not there: npm run oracles, needs Go)";

const FILES = [file_flow, file_observer, file_peer, file_relay];
const MESSAGES = FILES.flatMap(({ messages }) => messages).map((schema) => [schema.typeName, schema] as const);

/** Definitions as another implementation of protobuf reads them. */
function rootOf(directory: string, fileOf: (name: string) => string): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    // the well-known types are built in
    if (target.startsWith("google/")) return target;
    return join(directory, fileOf(basename(target, ".proto")));
  };
  root.loadSync(
    ["flow", "observer", "peer", "relay"].map((name) => fileOf(name)),
    { keepCase: true },
  );
  root.resolveAll();
  return root;
}

/** What another implementation makes of our bytes, as bytes again. */
function through(root: protobuf.Root, schema: DescMessage, bytes: Uint8Array): Uint8Array {
  const type = root.lookupType(schema.typeName);
  return type.encode(type.decode(bytes)).finish();
}

describe.each([
  ["our definitions", "", OURS, (name: string) => `${name}.proto`],
  ["upstream's definitions", without, UPSTREAM, (name: string) => `${name}/${name}.proto`],
] as const)("messages through another implementation, by %s%s", (_name, missing, directory, fileOf) => {
  it.skipIf(missing !== "").each(MESSAGES)("%s comes back as it was", (_type, schema) => {
    const root = rootOf(directory, fileOf);
    fc.assert(
      fc.property(randomMessage(schema), (message) => {
        const back = fromBinary(schema, through(root, schema, toBinary(schema, message)));
        expect(equals(schema, back, message)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe.skipIf(!hasUpstream)(`definitions beside upstream's${without}`, () => {
  let root: protobuf.Root;
  beforeAll(() => {
    root = rootOf(UPSTREAM, (name) => `${name}/${name}.proto`);
  });

  it("has every message and enum of upstream", () => {
    const theirs = ["flow", "observer", "peer", "relay"].flatMap((name) =>
      (root.lookup(name) as protobuf.Namespace).nestedArray
        .filter((each) => !(each instanceof protobuf.Service))
        .map(({ fullName }) => fullName.slice(1)),
    );
    const ours = FILES.flatMap(({ messages, enums }) => [...messages, ...enums].map(({ typeName }) => typeName));
    expect(ours.sort()).toEqual(theirs.sort());
  });

  const described = (schema: DescMessage) => schema.fields.map(({ name, number }) => `${number} ${name}`).sort();
  it.each(MESSAGES)("%s has the same fields and numbers", (type, schema) => {
    const theirs = root.lookupType(type).fieldsArray.map(({ name, id }) => `${id} ${name}`);
    expect(described(schema)).toEqual(theirs.sort());
  });

  it.each(FILES.flatMap(({ enums }) => enums).map((schema) => [schema.typeName, schema] as const))(
    "%s has the same values",
    (type, schema) => {
      const ours = Object.fromEntries(schema.values.map(({ name, number }) => [name, number]));
      expect(ours).toEqual(root.lookupEnum(type).values);
    },
  );
});

/** A field that no definition has yet, as another implementation with later definitions would write it into every message. */
const LATER = "of_a_later_release";
function laterRoot(): protobuf.Root {
  const root = rootOf(OURS, (name) => `${name}.proto`);
  for (const [typeName] of MESSAGES) root.lookupType(typeName).add(new protobuf.Field(LATER, 30_001, "string"));
  return root;
}

/** The same value with the later field in every message of these definitions. */
function withLater(type: protobuf.Type, value: Record<string, unknown>): Record<string, unknown> {
  const own = type.fullName.startsWith(".google.") ? {} : { [LATER]: `in ${type.name}` };
  const entries = Object.entries(value).map(([name, inner]) => {
    const inside = type.fields[name]?.resolve().resolvedType;
    if (!(inside instanceof protobuf.Type) || type.fields[name] instanceof protobuf.MapField) return [name, inner];
    const deep = (one: unknown) => withLater(inside, one as Record<string, unknown>);
    return [name, Array.isArray(inner) ? inner.map(deep) : deep(inner)];
  });
  return { ...Object.fromEntries(entries), ...own };
}

it.each(MESSAGES)(
  "%s gives back to another implementation what only that one knows, at every depth",
  (typeName, schema) => {
    const type = laterRoot().lookupType(typeName);
    fc.assert(
      fc.property(randomMessage(schema), (message) => {
        const plain = type.toObject(type.decode(toBinary(schema, message)));
        const later = type.encode(type.fromObject(withLater(type, plain))).finish();
        const back = toBinary(schema, fromBinary(schema, later));
        expect(type.toObject(type.decode(back))).toEqual(type.toObject(type.decode(later)));
        expect(Buffer.from(back).includes(`in ${type.name}`)).toBe(true);
      }),
      { numRuns: 20 },
    );
  },
);

it.each(MESSAGES)("%s keeps fields that it does not know", (_type, schema) => {
  const unknown = new Uint8Array([0xfa, 0xff, 0xff, 0x7f, 3, 1, 2, 3]); // field 33554431, three bytes
  fc.assert(
    fc.property(randomMessage(schema), (message) => {
      const known = toBinary(schema, message);
      const kept = toBinary(schema, fromBinary(schema, Buffer.concat([known, unknown])));
      expect(Buffer.from(kept).includes(Buffer.from(unknown))).toBe(true);
    }),
    { numRuns: 10 },
  );
});
