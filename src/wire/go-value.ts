/** A value as a program in Go holds it: what is printed of a struct depends on the form, so all of its fields are there. */
export type Value =
  | { readonly kind: "nil"; readonly of: "pointer" | "list" | "map" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "number"; readonly number: number; readonly type: "int" | "float" | "text" }
  | { readonly kind: "bool"; readonly bool: boolean }
  | { readonly kind: "list"; readonly items: readonly Value[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [key: string, value: Value])[] }
  | { readonly kind: "struct"; readonly fields: readonly FieldValue[] };

export interface FieldValue {
  readonly json: string;
  readonly yaml: string;
  /** JSON leaves it out. */
  readonly isOmitted: boolean;
  readonly value: Value;
}
