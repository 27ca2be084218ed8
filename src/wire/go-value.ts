/** A value as a program in Go holds it: what is printed of a struct depends on the form, so all of its fields are there. */
export type Value =
  | { readonly kind: "nil"; readonly of: "pointer" | "list" | "map" }
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "number";
      readonly number: number;
      readonly type: "int" | "float" | "text";
      /** The word for it, where its type has words. */
      readonly word?: string;
    }
  | { readonly kind: "bool"; readonly bool: boolean }
  | { readonly kind: "list"; readonly items: readonly Value[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [key: string, value: Value])[] }
  | { readonly kind: "struct"; readonly fields: readonly FieldValue[]; readonly isPointer?: boolean };

export interface FieldValue {
  readonly json: string;
  readonly yaml: string;
  /** JSON leaves it out. */
  readonly isOmitted: boolean;
  readonly value: Value;
  /** A struct whose fields are the outer one's too. */
  readonly isEmbedded?: boolean;
}

/** The fields of a struct with those of what is embedded in it in its place. */
export function promoted(fields: readonly FieldValue[]): readonly FieldValue[] {
  return fields.flatMap((field) =>
    field.isEmbedded && field.value.kind === "struct" ? promoted(field.value.fields) : [field],
  );
}
