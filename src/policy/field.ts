import type { FieldError } from "./rule.ts";

type ReadField = (value: unknown, at: Field) => void;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A place in the policy that is being read: knows its path and collects what is wrong there. */
export class Field {
  readonly path: string;
  private readonly errors: FieldError[];

  constructor(path: string, errors: FieldError[]) {
    this.path = path;
    this.errors = errors;
  }

  child(name: string): Field {
    return new Field(this.path === "" ? name : `${this.path}.${name}`, this.errors);
  }

  index(index: number): Field {
    return new Field(`${this.path}[${index}]`, this.errors);
  }

  /** A key of a map: it may hold dots and slashes, so it stands in brackets. */
  key(name: string): Field {
    return new Field(`${this.path}[${JSON.stringify(name)}]`, this.errors);
  }

  refuse(message: string, mend?: string, badValue?: unknown): void {
    this.errors.push({
      field: this.path,
      message,
      ...(mend === undefined ? {} : { mend }),
      ...(badValue === undefined ? {} : { badValue }),
    });
  }

  /**
   * Reads an object whose fields are all known: each present one goes to its reader, a null one counts as absent. Fields
   * of `refused` are known to Cilium but not supported here (value: the mend); any other field is unknown. Both are errors.
   */
  object(
    value: unknown,
    readers: Readonly<Record<string, ReadField>>,
    refused: Readonly<Record<string, string>> = {},
  ): boolean {
    if (!isObject(value)) {
      this.refuse("must be an object", undefined, value);
      return false;
    }
    for (const [name, content] of Object.entries(value)) {
      if (content === null) continue;
      const at = this.child(name);
      if (Object.hasOwn(readers, name)) readers[name]!(content, at);
      else if (Object.hasOwn(refused, name)) at.refuse(`${name} is not supported`, refused[name]);
      else at.refuse("unknown field", `use one of: ${Object.keys(readers).join(", ")}`);
    }
    return true;
  }

  /** Reads every element with `read`; undefined when it is no list. Elements that fail are left out. */
  list<T>(value: unknown, read: (element: unknown, at: Field) => T | undefined): T[] | undefined {
    if (!Array.isArray(value)) {
      this.refuse("must be a list", undefined, value);
      return undefined;
    }
    return value.flatMap((element, index) => {
      const result = read(element, this.index(index));
      return result === undefined ? [] : [result];
    });
  }

  /** Reads a map of texts. */
  textMap(value: unknown): Map<string, string> {
    const found = new Map<string, string>();
    if (!isObject(value)) {
      this.refuse("must be a map of strings", undefined, value);
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
    const mend = typeof value === "number" ? `put it in quotes: "${value}"` : undefined;
    this.refuse("must be a string", mend, value);
    return undefined;
  }

  flag(value: unknown): boolean | undefined {
    if (typeof value === "boolean") return value;
    this.refuse("must be true or false", undefined, value);
    return undefined;
  }

  integer(value: unknown, least: number, most: number): number | undefined {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    this.refuse(`must be a whole number from ${least} to ${most}`, undefined, value);
    return undefined;
  }
}
