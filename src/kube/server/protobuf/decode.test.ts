import { describe, expect, it } from "vitest";
import { ProtobufDecoder } from "./decode.ts";
import messages from "./messages.json" with { type: "json" };

/** A field with a length, and one with a number, as protobuf writes them (all short). */
const part = (number: number, ...bytes: (number | string | Buffer)[]): Buffer => {
  const body = Buffer.concat(bytes.map((item) => (typeof item === "number" ? Buffer.from([item]) : Buffer.from(item))));
  return Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body]);
};
const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, value]);

function body(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const type = part(1, part(1, apiVersion), part(2, kind));
  return Buffer.concat([Buffer.from("k8s\u0000"), type, part(2, raw)]);
}

describe("ProtobufDecoder", () => {
  const decoder = new ProtobufDecoder(messages);

  it("reads names, maps, bytes and times, and leaves out what is empty", () => {
    const metadata = part(1, part(1, "s"), part(2, ""), part(8), part(11, part(1, "k"), part(2, "v")));
    const secret = Buffer.concat([metadata, part(2, part(1, "a"), part(2, "b")), part(3, "Opaque")]);
    expect(decoder.decode(body("v1", "Secret", secret))).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", labels: { k: "v" } },
      data: { a: "Yg==" },
      type: "Opaque",
    });
  });

  it("keeps a zero that was set, inlines what JSON inlines, and tells text from numbers", () => {
    const volume = part(1, part(1, "tmp"), part(2, part(2)));
    const probe = part(10, part(1, part(2, part(1, "/"), part(2, varint(1, 1), varint(2, 0), part(3, "http")))));
    const container = part(2, part(1, "c"), probe);
    const spec = part(2, volume, container, varint(4, 0));
    expect(decoder.decode(body("v1", "Pod", spec))).toMatchObject({
      spec: {
        volumes: [{ name: "tmp", emptyDir: {} }],
        containers: [{ name: "c", livenessProbe: { httpGet: { path: "/", port: "http" } } }],
        terminationGracePeriodSeconds: 0,
      },
    });
  });

  it("refuses what it does not know, and what is cut off", () => {
    expect(() => decoder.decode(Buffer.from("{}"))).toThrow(/does not begin/);
    expect(() => decoder.decode(body("storage.k8s.io/v1", "StorageClass", Buffer.alloc(0)))).toThrow(
      /storage.k8s.io\/v1 StorageClass; send it as JSON/,
    );
    const whole = body("v1", "Secret", part(1, part(1, "a long enough name")));
    expect(() => decoder.decode(whole.subarray(0, whole.length - 3))).toThrow(/ends inside/);
  });
});
