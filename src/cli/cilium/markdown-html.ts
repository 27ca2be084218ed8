const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string) => text.replace(/[&<>"]/g, (found) => ESCAPES[found]!);

/** Titles and texts between fences; a fence that is not closed is none. */
const BLOCK = /^(#{1,6}) +(.+?) *$|^```\n([\s\S]*?)^``` *$/gm;

/**
 * HTML of a report in Markdown that has titles and texts between fences and nothing else, in the form of the converter that Cilium uses
 * (blackfriday).
 */
export function markdownHtml(markdown: string): string {
  const blocks = [...markdown.matchAll(BLOCK)].map(([, marks, title, text]) =>
    marks === undefined
      ? `<pre><code>${escaped(text ?? "")}</code></pre>\n`
      : `<h${marks.length}>${escaped(title ?? "")}</h${marks.length}>\n`,
  );
  return blocks.join("\n");
}
