import { type Fields, isFields } from "../../object.ts";
import { MalformedMessage, readFields, type WireField } from "./wire.ts";

/**
 * messages.json says what each field number means, taken from the field tags of k8s.io/api v0.34.0: per message
 * `<number><[] list | {} map><! kept when empty> <JSON name, none for an inlined message> <type>`, joined by `;`.
 * Types: s text, b bytes, i integer, t boolean, T time, U time with microseconds, D duration, Q quantity,
 * I integer or text, F and R embedded JSON, E list of texts; any other is a message.
 */
export interface MessageTable {
  readonly kinds: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, string>>;
}

interface FieldRule {
  readonly shape: "" | "[]" | "{}";
  readonly keepEmpty: boolean;
  readonly name: string;
  readonly type: string;
}

/** `k8s` and a zero byte begin every body. */
const MAGIC = "k8s\u0000";
const utf8 = new TextDecoder("utf-8", { fatal: true });

function bytesOf(value: bigint | Uint8Array): Uint8Array {
  if (typeof value === "bigint") throw new MalformedMessage("a number stands where text or a message belongs");
  return value;
}

const text = (value: bigint | Uint8Array): string => utf8.decode(bytesOf(value));
const integer = (value: bigint | Uint8Array | undefined): number =>
  typeof value === "bigint" ? Number(BigInt.asIntN(64, value)) : 0;

/** The last value of each field number. */
function byNumber(value: bigint | Uint8Array): Map<number, bigint | Uint8Array> {
  return new Map(readFields(bytesOf(value)).map((field) => [field.number, field.value]));
}

function time(value: bigint | Uint8Array, digits: number): string | undefined {
  const parts = byNumber(value);
  if (!parts.has(1)) return undefined;
  const [seconds, nanos] = [integer(parts.get(1)), integer(parts.get(2))];
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (digits === 0) return `${whole}Z`;
  return `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z`;
}

function embeddedJson(value: bigint | Uint8Array): unknown {
  const raw = byNumber(value).get(1);
  return raw === undefined ? undefined : JSON.parse(text(raw));
}

function intOrString(value: bigint | Uint8Array): unknown {
  const parts = byNumber(value);
  const isText = integer(parts.get(1)) === 1;
  return isText ? text(parts.get(3) ?? new Uint8Array()) : integer(parts.get(2));
}

/** Reads bodies in Kubernetes' protobuf encoding, which kubectl writes for some of its commands. */
export class ProtobufDecoder {
  readonly #table: MessageTable;
  readonly #rules = new Map<string, ReadonlyMap<number, FieldRule>>();

  constructor(table: MessageTable) {
    this.#table = table;
  }

  /** The object in a body. Throws MalformedMessage, also for kinds that are not in the table. */
  decode(body: Uint8Array): Fields {
    if (Buffer.from(body.subarray(0, 4)).toString("latin1") !== MAGIC) {
      throw new MalformedMessage("the body does not begin as Kubernetes' protobuf does");
    }
    const envelope = byNumber(body.subarray(4));
    const type = byNumber(envelope.get(1) ?? new Uint8Array());
    const apiVersion = text(type.get(1) ?? new Uint8Array());
    const kind = text(type.get(2) ?? new Uint8Array());
    // DeleteOptions come in the version of what they delete.
    const message = this.#table.kinds[kind === "DeleteOptions" ? "v1 DeleteOptions" : `${apiVersion} ${kind}`];
    if (message === undefined) {
      throw new MalformedMessage(`no protobuf reading is known for ${apiVersion} ${kind}; send it as JSON`);
    }
    return { apiVersion, kind, ...this.#message(message, bytesOf(envelope.get(2) ?? new Uint8Array())) };
  }

  #rulesOf(message: string): ReadonlyMap<number, FieldRule> {
    const kept = this.#rules.get(message);
    if (kept) return kept;
    const rules = new Map<number, FieldRule>();
    for (const entry of (this.#table.messages[message] ?? "").split(";")) {
      const match = /^(\d+)(\[\]|\{\}|)(!?) (\S*) (\S+)$/.exec(entry);
      if (!match) continue;
      const [, number, shape, keep, name, type] = match;
      rules.set(Number(number), {
        shape: shape as FieldRule["shape"],
        keepEmpty: keep === "!",
        name: name!,
        type: type!,
      });
    }
    this.#rules.set(message, rules);
    return rules;
  }

  #message(message: string, bytes: Uint8Array): Fields {
    const rules = this.#rulesOf(message);
    const result: Fields = {};
    for (const field of readFields(bytes)) {
      const rule = rules.get(field.number);
      // A field of a newer release: JSON would have shown it as unknown, here it has no name to tell.
      if (rule) this.#add(result, rule, field);
    }
    return result;
  }

  #add(result: Fields, rule: FieldRule, field: WireField): void {
    if (rule.shape === "{}") {
      const entry = byNumber(field.value);
      const map = isFields(result[rule.name]) ? (result[rule.name] as Fields) : {};
      result[rule.name] = map;
      map[text(entry.get(1) ?? new Uint8Array())] = this.#value(rule.type, entry.get(2) ?? new Uint8Array());
      return;
    }
    const value = this.#value(rule.type, field.value);
    if (rule.shape === "[]") {
      const list = Array.isArray(result[rule.name]) ? (result[rule.name] as unknown[]) : [];
      result[rule.name] = list;
      list.push(value);
    } else if (rule.name === "") {
      Object.assign(result, value);
    } else if (value !== undefined && (rule.keepEmpty || (value !== "" && value !== 0 && value !== false))) {
      result[rule.name] = value;
    }
  }

  #value(type: string, value: bigint | Uint8Array): unknown {
    switch (type) {
      case "s":
        return text(value);
      case "b":
        return Buffer.from(bytesOf(value)).toString("base64");
      case "i":
        return integer(value);
      case "t":
        return integer(value) !== 0;
      case "T":
        return time(value, 0);
      case "U":
        return time(value, 6);
      case "D":
        return `${integer(byNumber(value).get(1)) / 1e9}s`;
      case "Q":
        return text(byNumber(value).get(1) ?? new Uint8Array());
      case "I":
        return intOrString(value);
      case "F":
      case "R":
        return embeddedJson(value);
      case "E":
        return readFields(bytesOf(value)).map((item) => text(item.value));
      default:
        return this.#message(type, bytesOf(value));
    }
  }
}
