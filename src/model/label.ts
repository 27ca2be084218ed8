/** A label as policy sees it: `source:key=value`, printed without `=` when the value is empty. */
export interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

/** The labels of one identity: sorted by `source:key=value` text, at most one label a key. */
export type Labels = readonly Label[];
