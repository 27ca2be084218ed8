import { quoteGo } from "../../flow/print/index.ts";

type Kind = "null" | "bool" | "number" | "string" | "open" | "close" | "comma" | "eof";

/** A piece of JSON as it stands in the text, and where it begins. */
export interface Token {
  readonly kind: Kind;
  readonly text: string;
  readonly at: number;
}

const SPACE = /[ \t\r\n]*/y;
const WORD = /(?:null|true|false)(?![-+._a-zA-Z0-9])/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![-+._a-zA-Z0-9])/y;
const STRING = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const UNFINISHED = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*(?:\\(?:u[0-9a-fA-F]{0,3})?)?$/y;
const BEGUN = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*(?=\\)/y;
const MARKS: Readonly<Record<string, Kind>> = { "{": "open", "[": "open", "}": "close", "]": "close", ",": "comma" };

/** Reads JSON piece by piece; its errors are worded and placed as those of Go's protojson. */
export class TokenReader {
  private readonly text: string;
  private at = 0;
  private depth = 0;
  /** Whether a value has ended since the innermost bracket opened. */
  private afterValue = false;

  constructor(text: string) {
    this.text = text;
  }

  private take(form: RegExp): string | undefined {
    form.lastIndex = this.at;
    return form.exec(this.text)?.[0];
  }

  /** The next piece without taking it. */
  private peek(): Token {
    this.at += this.take(SPACE)?.length ?? 0;
    const { at } = this;
    const first = this.text[at];
    if (first === undefined) return { kind: "eof", text: "", at };
    const mark = MARKS[first];
    if (mark) return { kind: mark, text: first, at };
    const word = this.take(WORD);
    if (word !== undefined) return { kind: word === "null" ? "null" : "bool", text: word, at };
    const number = this.take(NUMBER);
    if (number !== undefined) return { kind: "number", text: number, at };
    const string = this.take(STRING);
    if (string !== undefined) return this.string(string, at);
    if (this.take(UNFINISHED) !== undefined) throw new Error("proto: unexpected EOF");
    const begun = this.take(BEGUN);
    if (begun !== undefined) throw this.badEscape(at, begun.length);
    const [wrong = first] = /^(?:[-+._a-zA-Z0-9]{1,32}|.)/u.exec(this.text.slice(at)) ?? [];
    throw this.syntaxError(at, `invalid value ${wrong}`);
  }

  private badEscape(at: number, begun: number): Error {
    const rest = this.text.slice(at + begun);
    const code = rest.slice(0, rest[1] === "u" ? 6 : 2);
    return this.syntaxError(at, `invalid escape code ${quoteGo(code)} in string`);
  }

  private string(text: string, at: number): Token {
    const control = [...text].findIndex((character) => character < " ");
    if (control < 0) return { kind: "string", text, at };
    throw this.syntaxError(at, `invalid character ${quoteGo(text[control] ?? "").replaceAll('"', "'")} in string`);
  }

  peekKind(): Kind {
    return this.peek().kind;
  }

  read(): Token {
    const token = this.peek();
    if (token.kind === "eof" && this.depth > 0) throw new Error("proto: unexpected EOF");
    this.at = token.at + token.text.length;
    if (token.kind === "open") this.depth++;
    if (token.kind === "close") this.depth--;
    this.afterValue = token.kind !== "open" && token.kind !== "comma";
    return token;
  }

  /** Takes a comma where there must be one; false at the end of the innermost bracket, which is taken. */
  hasElement(): boolean {
    const token = this.peek();
    if (token.kind === "close" || token.kind === "eof") {
      this.read();
      return false;
    }
    if (!this.afterValue) return true;
    if (this.read().kind !== "comma") throw this.unexpected(token);
    const next = this.peek();
    if (next.kind === "close" || next.kind === "comma") throw this.unexpected(next);
    return true;
  }

  /** The next field's name with its colon; undefined at the object's end, which is taken. */
  readName(): Token | undefined {
    if (!this.hasElement()) return undefined;
    const name = this.read();
    if (name.kind !== "string") throw this.unexpected(name);
    this.at += this.take(SPACE)?.length ?? 0;
    const colon = this.text[this.at];
    if (colon === undefined) throw new Error("proto: unexpected EOF");
    if (colon !== ":") throw this.syntaxError(this.at, `unexpected character ${colon}, missing ":" after field name`);
    this.at++;
    this.afterValue = false;
    return name;
  }

  skipValue(): void {
    const { text, kind } = this.read();
    if (kind === "eof" || kind === "comma" || kind === "close") return;
    if (text === "{") while (this.readName()) this.skipValue();
    else if (text === "[") while (this.hasElement()) this.skipValue();
  }

  private place(at: number): string {
    const before = this.text.slice(0, at).split("\n");
    return `(line ${before.length}:${[...(before.at(-1) ?? "")].length + 1})`;
  }

  error({ at }: Token, reason: string): Error {
    return new Error(`proto: ${this.place(at)}: ${reason}`);
  }

  private syntaxError(at: number, reason: string): Error {
    return new Error(`proto: syntax error ${this.place(at)}: ${reason}`);
  }

  unexpected({ at, text }: Token): Error {
    return this.syntaxError(at, `unexpected token ${text}`);
  }
}
