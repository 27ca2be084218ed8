/** What becomes of a request whose header does not match; absent = the rule does not match. */
export type MismatchAction = "LOG" | "ADD" | "DELETE" | "REPLACE";

/** One `headerMatches` element. Without value and secret: the header must be there. */
export interface HeaderMatch {
  readonly name: string;
  readonly value?: string;
  /** `namespace/name` of the secret that holds the value. */
  readonly secret?: string;
  readonly mismatch?: MismatchAction;
}

/** One HTTP rule: absent field = any. `method`, `path` and `host` are RE2 expressions that match the whole value. */
export interface HttpRule {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** `Name: value` or `Name`, all must match. */
  readonly headers?: readonly string[];
  /** All must match, or have a mismatch action. */
  readonly headerMatches?: readonly HeaderMatch[];
}

/** One DNS rule: names that may be asked for. With both fields a name needs to match either. */
export interface DnsRule {
  readonly matchName?: string;
  readonly matchPattern?: string;
}
