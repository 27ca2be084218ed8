/**
 * What the library that reads the Common Expression Language does not know of its newer forms, written in its older ones: optional
 * fields and items (`a.?b`, `a[?0]`, `[?a]`, `{?k: a}`), macros of two variables, functions with a namespace. Pure text to text.
 */

const TOKEN =
  /\/\/[^\n]*|\s+|[bBrR]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|[A-Za-z_]\w*|\d+(?:\.\d+)?|\.\?|\[\?|[\s\S]/g;
const WORD = /^[A-Za-z_]\w*$/;
const BLANK = /^(?:\s|\/\/)/;
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "[?": "]", "{": "}" };
const NAMESPACES = new Set(["optional", "sets", "format"]);
/** Macros of two variables, and what does their work with one: the pair. */
const OF_PAIRS: Readonly<Record<string, string>> = {
  all: "all",
  exists: "exists",
  exists_one: "exists_one",
  existsOne: "exists_one",
  transformList: "map",
  transformMap: "map",
  transformMapEntry: "map",
};
/** What makes one map of the list that comes of it: of keys and values, or of maps of one entry. */
const TO_MAPS: Readonly<Record<string, string>> = { transformMap: ".__map()", transformMapEntry: ".__merge()" };
/** Methods of an optional value that give one. */
const STAY_OPTIONAL = new Set(["or", "optMap", "optFlatMap"]);

class Rewriting {
  readonly #tokens: readonly string[];
  #at = 0;
  #pairs = 0;
  /** What variables stand for, the innermost last. */
  readonly #bound: ReadonlyMap<string, string>[] = [];
  readonly #optionalNames: ReadonlySet<string>;

  constructor(text: string, optionalNames: ReadonlySet<string>) {
    this.#tokens = text.match(TOKEN) ?? [];
    this.#optionalNames = optionalNames;
  }

  /** Index of the next token that is no blank. */
  #next(from = this.#at): number {
    let at = from;
    while (BLANK.test(this.#tokens[at] ?? "")) at++;
    return at;
  }

  #peek(ahead: number): string {
    let at = this.#next();
    for (let count = 0; count < ahead; count++) at = this.#next(at + 1);
    return this.#tokens[at] ?? "";
  }

  #skip(): string {
    this.#at = this.#next() + 1;
    return this.#tokens[this.#at - 1] ?? "";
  }

  /** All up to a bracket of this level, to a comma when `isItem`, or to the colon after a key; what ends it is left. */
  part(end: string, isItem = false, isKey = false): string {
    let out = "";
    let isOperand = false;
    let isOptional = false;
    let choices = 0;
    while (this.#at < this.#tokens.length) {
      const token = this.#tokens[this.#at]!;
      if (token === end || (isItem && token === ",") || (isKey && token === ":" && choices === 0)) break;
      this.#at++;
      if (BLANK.test(token)) {
        // the parser knows no comment at the end
        out += token.startsWith("//") ? " " : token;
        continue;
      }
      if (token === "?") choices++;
      if (token === ":") choices--;
      if (token === ".?") [out, isOptional] = [`${out}${this.#field(isOptional)}`, true];
      else if (!isOperand && (token === "[" || token === "[?" || token === "{"))
        [out, isOptional] = [out + this.#literal(token), false];
      else if (token === "[?" || (token === "[" && isOperand && isOptional))
        [out, isOptional] = [`${out}.__at${isOptional ? "_in" : ""}(${this.#inner(token)})`, true];
      else if (token === "." && isOperand) {
        const [text, stays] = this.#member(out, isOptional);
        [out, isOptional] = [text, stays];
      } else if (token in CLOSING) {
        out += `${token}${this.#inner(token)}${CLOSING[token]}`;
        isOptional = isOptional && isOperand && token === "(";
      } else if (WORD.test(token)) [out, isOptional] = this.#name(out, token);
      else {
        out += token;
        isOptional = false;
      }
      isOperand = token === ".?" || token === "." || token in CLOSING || /^[\w"']|["']$/.test(token);
      if (token === "in") isOperand = false;
    }
    return out;
  }

  /** A list or a map as it stands; with optional items or entries, what puts their optional values together with the others. */
  #literal(open: string): string {
    const [isMap, end] = [open === "{", CLOSING[open]!];
    const parts: { readonly key: string; readonly text: string; readonly isOptional: boolean }[] = [];
    do {
      const isOptional = (parts.length === 0 && open === "[?") || this.#peek(0) === "?";
      if (this.#peek(0) === "?") this.#skip();
      const key = isMap ? this.part(end, true, true) : "";
      if (isMap && this.#tokens[this.#at] === ":") this.#at++;
      parts.push({ key, text: this.part(end, true), isOptional });
    } while (this.#tokens[this.#at++] === ",");
    if (!parts.some(({ isOptional }) => isOptional))
      return `${open}${parts.map(({ key, text }) => (isMap && key.trim() !== "" ? `${key}:${text}` : key + text)).join(",")}${end}`;
    const values = parts
      .filter(({ text }) => text.trim() !== "")
      .map(({ key, text, isOptional }) => {
        const value = isOptional ? text : `[${text}]`;
        return isMap ? `[${key}, ${value}]` : value;
      });
    return `${isMap ? "__entries" : "__joined"}([${values.join(", ")}])`;
  }

  #inner(open: string): string {
    const text = this.part(CLOSING[open]!);
    this.#at++;
    return text;
  }

  #field(isOptional: boolean, name = "__get"): string {
    return `.${name}${isOptional ? "_in" : ""}(${JSON.stringify(this.#skip())})`;
  }

  #member(out: string, isOptional: boolean): [text: string, isOptional: boolean] {
    if (this.#peek(1) !== "(")
      return isOptional ? [out + this.#field(true, "__field"), true] : [`${out}.${this.#skip()}`, false];
    const name = this.#skip();
    const stays = STAY_OPTIONAL.has(name);
    if (name in OF_PAIRS && this.#peek(2) === "," && this.#peek(4) === "," && WORD.test(this.#peek(3)))
      return [`${out}.__pairs().${this.#ofPairs(name)}`, false];
    this.#skip();
    const inner = this.#inner("(");
    if (name === "optMap") return [`${out}.map(${inner})`, true];
    if (name === "optFlatMap") return [`${out}.map(${inner}).__flat()`, true];
    return [`${out}.${name === "existsOne" ? "exists_one" : name}(${inner})`, stays];
  }

  #ofPairs(name: string): string {
    this.#skip();
    const [first, , second] = [this.#skip(), this.#skip(), this.#skip()];
    this.#skip();
    const pair = `__pair${this.#pairs++}`;
    this.#bound.push(new Map([first, second].map((variable, index) => [variable, `${pair}[${index}]`])));
    const parts = [this.part(")", true)];
    while (this.#tokens[this.#at++] === ",") parts.push(this.part(")", true));
    this.#bound.pop();
    if (name === "transformMap") parts.push(`[${pair}[0], ${parts.pop()}]`);
    return `${OF_PAIRS[name]}(${[pair, ...parts].join(", ")})${TO_MAPS[name] ?? ""}`;
  }

  #name(out: string, name: string): [text: string, isOptional: boolean] {
    const bound = this.#bound.findLast((names) => names.has(name))?.get(name);
    if (bound !== undefined) return [out + bound, false];
    if (NAMESPACES.has(name) && this.#peek(0) === "." && this.#peek(2) === "(") {
      this.#skip();
      return [`${out}__${name}_${this.#skip()}`, name === "optional"];
    }
    return [out + name, this.#optionalNames.has(name)];
  }
}

/** A rule in the older forms alone; `optionalNames` are variables that are optional values. Throws an Error that names what is not there. */
export const withoutSugar = (rule: string, optionalNames: ReadonlySet<string>): string =>
  new Rewriting(rule, optionalNames).part("");
