/** Servers that read HTTP/1 loosely, each in its own way: what they would take for requests. */

interface Way {
  /** LF alone ends a line. */
  readonly takesLf: boolean;
  /** CR alone ends a line. */
  readonly takesCr: boolean;
  /** Of several lengths the last counts. */
  readonly lastLength: boolean;
  /** Any coding that has the word in it. */
  readonly looseChunked: boolean;
  /** Blanks between a name and its colon are skipped. */
  readonly skipsBlanks: boolean;
}

const CHOICES = [false, true] as const;
const WAYS: readonly Way[] = CHOICES.flatMap((takesLf) =>
  CHOICES.flatMap((takesCr) =>
    CHOICES.flatMap((lastLength) =>
      CHOICES.flatMap((looseChunked) =>
        CHOICES.map((skipsBlanks) => ({ takesLf, takesCr, lastLength, looseChunked, skipsBlanks })),
      ),
    ),
  ),
);

/** Targets of all requests that any of them would see in the bytes. */
export function lenientTargets(bytes: string): ReadonlySet<string> {
  return new Set(WAYS.flatMap((way) => new LenientReader(bytes, way).targets()));
}

class LenientReader {
  private readonly bytes: string;
  private readonly way: Way;
  private readonly lineEnd: RegExp;
  private at = 0;

  constructor(bytes: string, way: Way) {
    this.bytes = bytes;
    this.way = way;
    this.lineEnd = new RegExp(["\r\n", ...(way.takesLf ? ["\n"] : []), ...(way.takesCr ? ["\r"] : [])].join("|"), "g");
  }

  targets(): string[] {
    const targets: string[] = [];
    for (;;) {
      let first = this.line();
      while (first === "") first = this.line();
      if (first === undefined) return targets;
      const fields = this.fields();
      const target = /^\S+\s+(\S+)(?:\s|$)/.exec(first)?.[1];
      // a head without an end is no request to anybody
      if (fields === undefined || target === undefined) return targets;
      targets.push(target);
      if (!this.skipBody(fields)) return targets;
    }
  }

  /** Undefined where no line ends. */
  private line(): string | undefined {
    this.lineEnd.lastIndex = this.at;
    const end = this.lineEnd.exec(this.bytes);
    if (end === null) return undefined;
    const text = this.bytes.slice(this.at, end.index);
    this.at = end.index + end[0].length;
    return text;
  }

  private fields(): string[] | undefined {
    const fields: string[] = [];
    for (let next = this.line(); next !== ""; next = this.line()) {
      if (next === undefined) return undefined;
      fields.push(next);
    }
    return fields;
  }

  private skipBody(fields: readonly string[]): boolean {
    const { way } = this;
    const codings = this.valuesOf(fields, "transfer-encoding").join(",").toLowerCase();
    if (way.looseChunked ? codings.includes("chunked") : codings === "chunked") return this.skipChunks();
    const lengths = this.valuesOf(fields, "content-length");
    this.at += Number.parseInt((way.lastLength ? lengths.at(-1) : lengths[0]) ?? "0", 10);
    return this.at <= this.bytes.length;
  }

  private skipChunks(): boolean {
    for (;;) {
      const size = Number.parseInt(this.line() ?? "", 16);
      if (Number.isNaN(size)) return false;
      if (size === 0) return this.fields() !== undefined;
      this.at += size;
      if (this.at > this.bytes.length || this.line() === undefined) return false;
    }
  }

  private valuesOf(fields: readonly string[], name: string): string[] {
    const wanted = new RegExp(`^${name}${this.way.skipsBlanks ? "\\s*" : ""}:(.*)$`, "is");
    return fields.flatMap((field) => wanted.exec(field)?.[1]?.trim() ?? []);
  }
}
