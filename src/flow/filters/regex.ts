import { RE2JS } from "re2js";
import { FilterError } from "./flow-test.ts";

/** An unanchored RE2 test, linear in its input. Throws FilterError that names the field on a bad expression. */
export function compileRegex(field: string, pattern: string): (text: string) => boolean {
  try {
    const compiled = RE2JS.compile(pattern);
    return (text) => compiled.matcher(text).find();
  } catch (error) {
    throw new FilterError(`${field}: invalid regular expression ${JSON.stringify(pattern)}: ${String(error)}`);
  }
}
