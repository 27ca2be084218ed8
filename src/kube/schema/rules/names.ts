import type { FieldError } from "../../status.ts";
import { invalid } from "../field-error.ts";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const expressions = {
  label: new RegExp(`^${LABEL}$`),
  label1035: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  subdomain: new RegExp(`^${SUBDOMAIN}$`),
  qualified: new RegExp(`^${QUALIFIED}$`),
  value: new RegExp(`^(${QUALIFIED})?$`),
};

const tooManyCharacters = (maximum: number): string => `must be no more than ${maximum} characters`;

/** Why a text is no DNS-1123 label; empty when it is one. The words are those of apimachinery. */
export function dnsLabelProblems(text: string): string[] {
  const problems = text.length > 63 ? [tooManyCharacters(63)] : [];
  if (!expressions.label.test(text)) {
    if (expressions.subdomain.test(text)) return [...problems, "must not contain dots"];
    problems.push(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
        `with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`,
    );
  }
  return problems;
}

/** Why a text is no DNS-1035 label (names of services). */
export function dns1035Problems(text: string): string[] {
  const problems = text.length > 63 ? [tooManyCharacters(63)] : [];
  if (!expressions.label1035.test(text)) {
    problems.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic " +
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for " +
        "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    );
  }
  return problems;
}

/** Why a text is no DNS-1123 subdomain (names of most objects). */
export function dnsSubdomainProblems(text: string): string[] {
  const problems = text.length > 253 ? [tooManyCharacters(253)] : [];
  if (!expressions.subdomain.test(text)) {
    problems.push(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " +
        `and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`,
    );
  }
  return problems;
}

/** Why a text cannot be a segment of a path (names of RBAC objects). */
export function pathSegmentProblems(text: string): string[] {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return ["/", "%"]
    .filter((character) => text.includes(character))
    .map((character) => `may not contain '${character}'`);
}

/** Why a text is no qualified name: the key of a label, an annotation or a taint. */
export function qualifiedNameProblems(text: string): string[] {
  const parts = text.split("/");
  if (parts.length > 2) {
    return [
      `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const name = parts.at(-1)!;
  const prefix = parts.length === 2 ? parts[0]! : undefined;
  const problems: string[] = [];
  if (prefix === "") problems.push("prefix part must be non-empty");
  else if (prefix !== undefined)
    problems.push(...dnsSubdomainProblems(prefix).map((problem) => `prefix part ${problem}`));
  if (name === "") problems.push("name part must be non-empty");
  else if (name.length > 63) problems.push(`name part ${tooManyCharacters(63)}`);
  if (!expressions.qualified.test(name)) {
    problems.push(
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
        `alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`,
    );
  }
  return problems;
}

/** Why a text cannot be a label's value. */
export function labelValueProblems(text: string): string[] {
  const problems = text.length > 63 ? [tooManyCharacters(63)] : [];
  if (!expressions.value.test(text)) {
    problems.push(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start " +
        `and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`,
    );
  }
  return problems;
}

/** Why a text cannot name a port: an IANA service name. */
export function portNameProblems(text: string): string[] {
  const problems: string[] = [];
  if (text.length > 15) problems.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(text))
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(text)) problems.push("must contain at least one letter (a-z)");
  if (text.includes("--")) problems.push("must not contain consecutive hyphens");
  if (text.startsWith("-") || text.endsWith("-")) problems.push("must not begin or end with a hyphen");
  return problems;
}

/** One error a problem. */
export function problems(field: string, value: unknown, texts: readonly string[]): FieldError[] {
  return texts.map((text) => invalid(field, value, text));
}

/** The port must be a number from 1 to 65535. */
export function portNumberErrors(field: string, value: unknown): FieldError[] {
  const valid = typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65535;
  return valid ? [] : [invalid(field, value, "must be between 1 and 65535, inclusive")];
}
