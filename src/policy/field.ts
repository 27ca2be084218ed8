import type { FieldError, FieldWarning } from "./rule.ts";

type ReadField = (value: unknown, at: Field) => void;

/** What a reader found: errors refuse the object, warnings do not. */
export interface Findings {
  readonly errors: FieldError[];
  readonly warnings: FieldWarning[];
  /** What the object's expressions cost so far; see `Limits.RegexCostPerPolicy`. */
  regexCost: number;
}

export function noFindings(): Findings {
  return { errors: [], warnings: [], regexCost: 0 };
}

/** `spec.ingress: message (mend)`; `whole` = what the object is called when it is wrong as a whole. */
export function formatFieldError({ field, message, mend }: FieldError, whole = ""): string {
  const place = field === "" ? whole : field;
  return `${place === "" ? "" : `${place}: `}${message}${mend === undefined ? "" : ` (${mend})`}`;
}

/** Plain objects alone: a date or a map has no fields, and would count as `{}`, which selects everything. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Other realms have another Object.prototype; each of them is at the root.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A place in the policy that is being read: knows its path and collects what is wrong there. */
export class Field {
  readonly path: string;
  private readonly findings: Findings;

  constructor(path: string, findings: Findings) {
    this.path = path;
    this.findings = findings;
  }

  child(name: string): Field {
    return new Field(this.path === "" ? name : `${this.path}.${name}`, this.findings);
  }

  index(index: number): Field {
    return new Field(`${this.path}[${index}]`, this.findings);
  }

  /** A key of a map: it may hold dots and slashes, so it stands in brackets. */
  key(name: string): Field {
    return new Field(`${this.path}[${JSON.stringify(name)}]`, this.findings);
  }

  /** Name of the field itself, without where it stands. */
  get name(): string {
    return this.path.slice(this.path.lastIndexOf(".") + 1);
  }

  refuse(message: string, mend: string, badValue?: unknown): void {
    this.findings.errors.push({
      field: this.path,
      message,
      mend,
      ...(badValue === undefined ? {} : { badValue }),
    });
  }

  /** What all expressions of the object cost together, these instructions included. */
  addRegexCost(instructions: number): number {
    this.findings.regexCost += instructions;
    return this.findings.regexCost;
  }

  warn(message: string, topic?: FieldWarning["topic"]): void {
    this.findings.warnings.push({ field: this.path, message, ...(topic && { topic }) });
  }

  /**
   * Reads an object whose fields are all known: each present one goes to its reader, a null one counts as absent. Fields
   * of `refused` are known to Cilium but not supported here (value: the mend); any other field is unknown. Both are errors,
   * and so is the lack of a `required` one.
   */
  object(
    value: unknown,
    readers: Readonly<Record<string, ReadField>>,
    { refused = {}, required = [] }: ObjectRules = {},
  ): value is Record<string, unknown> {
    if (!isObject(value)) {
      this.refuse("must be an object", "write its fields below it, or `{}`", value);
      return false;
    }
    for (const name of Object.keys(value)) {
      const content = value[name] ?? null;
      if (content === null) continue;
      // A name that nobody knows may hold dots and brackets.
      const at = /^\w+$/.test(name) ? this.child(name) : this.key(name);
      if (Object.hasOwn(readers, name)) readers[name]!(content, at);
      else if (Object.hasOwn(refused, name)) at.refuse(`${name} is not supported`, refused[name]!);
      else at.refuse("unknown field", `use one of: ${Object.keys(readers).join(", ")}`);
    }
    for (const name of required) {
      if (!Object.hasOwn(value, name) || (value[name] ?? null) === null)
        this.child(name).refuse("is required", "add it");
    }
    return true;
  }

  /** Reads every element with `read`; undefined when it is no list. Elements that fail are left out. */
  list<T>(value: unknown, read: (element: unknown, at: Field) => T | undefined): T[] | undefined {
    if (!Array.isArray(value)) {
      this.refuse("must be a list", "write each element after a dash, or `[]`", value);
      return undefined;
    }
    const all = value.map((element, index) => read(element, this.index(index)));
    // Mostly nothing is left out, and then the list has no room to spare: there are many, and they are kept.
    return all.every((each) => each !== undefined) ? all : all.filter((each) => each !== undefined);
  }

  /** A list of `least` to `most` elements; undefined after refusing another. */
  countedList<T>(
    value: unknown,
    least: number,
    most: number,
    read: (element: unknown, at: Field) => T | undefined,
  ): T[] | undefined {
    if (Array.isArray(value) && (value.length < least || value.length > most)) {
      const count = `${value.length} elements; ${least === 0 ? "" : `at least ${least} and `}at most ${most}`;
      this.refuse(count, value.length > most ? "write another element or another rule" : "write one");
      return undefined;
    }
    return this.list(value, read);
  }

  /** Reads a map of texts. */
  textMap(value: unknown): Map<string, string> {
    const found = new Map<string, string>();
    if (!isObject(value)) {
      this.refuse("must be a map of strings", "write `key: value` below it", value);
      return found;
    }
    for (const [name, content] of Object.entries(value)) {
      const text = this.key(name).text(content);
      if (text !== undefined) found.set(name, text);
    }
    return found;
  }

  text(value: unknown): string | undefined {
    if (typeof value === "string") return value;
    const isPlain = typeof value === "number" || typeof value === "boolean";
    this.refuse("must be a string", isPlain ? `put it in quotes: "${value}"` : "write text", value);
    return undefined;
  }

  /** A text that is one of `choices`. */
  choice<T extends string>(value: unknown, choices: readonly T[]): T | undefined {
    const found = choices.find((known) => known === value);
    if (found === undefined) this.refuse("not a value for this field", `use one of: ${choices.join(", ")}`, value);
    return found;
  }

  flag(value: unknown): boolean | undefined {
    if (typeof value === "boolean") return value;
    this.refuse("must be true or false", "write it without quotes", value);
    return undefined;
  }

  integer(value: unknown, least: number, most: number): number | undefined {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    this.refuse(`must be a whole number from ${least} to ${most}`, "write such a number without quotes", value);
    return undefined;
  }
}

interface ObjectRules {
  readonly refused?: Readonly<Record<string, string>>;
  readonly required?: readonly string[];
}
