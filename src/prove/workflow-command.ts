/** Where a message stands beside the changed lines, and how bad it is. */
export interface Annotation {
  readonly severity: "error" | "warning" | "notice";
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
  readonly title: string;
  readonly message: string;
}

/** A command of GitHub's workflows that shows an annotation; ends with a line feed. */
export function workflowCommand({ severity, file, line, title, message }: Annotation): string {
  return `::${severity} file=${property(file)},line=${line},title=${property(title)}::${data(message)}\n`;
}

function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
