/** A command as a page shows it, with the output that it must have. */
export interface Exchange {
  readonly command: string;
  /** `…` stands for any text within a line, a line of `…` alone for any lines. */
  readonly output: string;
}

/** Reads `$ command` lines and the output after each. */
export function parseTranscript(text: string): Exchange[] {
  const exchanges: { command: string; output: string[] }[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("$ ")) exchanges.push({ command: line.slice(2), output: [] });
    else exchanges.at(-1)?.output.push(line);
  }
  return exchanges.map(({ command, output }) => ({ command, output: output.join("\n").trimEnd() }));
}

/** The fenced blocks of a page in one language. */
export function fencedBlocks(page: string, language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);
}

/** The expected output as a regular expression; runs of spaces count as one, for column widths follow names. */
export function outputPattern(output: string): RegExp {
  const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ +/g, " +");
  const lines = output
    .split("\n")
    .map((line) =>
      line.trim() === "…" ? "(?:.*\\n)*?" : `${line.trimEnd().split("…").map(quoted).join("[^\\n]*?")} *\\n`,
    );
  return new RegExp(`^${lines.join("")}$`);
}
