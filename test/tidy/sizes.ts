import { lineOf, type Source, type Violation } from "./sources.ts";

export const MAX_FILE_LINES = 400;
export const MAX_FUNCTION_LINES = 70;
export const MAX_README_LINES = 25;

const CODE = /^(src|test|bench|scripts|examples|bpf)\/.*\.(ts|mjs|c|h|sh)$/;
const TYPESCRIPT = /\.(ts|mjs)$/;

/** Files up to 400 lines, functions up to 70, a folder's README up to 25. */
export function checkSizes(sources: readonly Source[]): Violation[] {
  return sources.flatMap((source) => {
    const lines = source.text.split("\n").length - 1;
    if (/^src\/[^/]+\/README\.md$/.test(source.path)) {
      return lines > MAX_README_LINES
        ? [{ path: source.path, line: 1, message: `${lines} lines; a folder's README has at most ${MAX_README_LINES}` }]
        : [];
    }
    if (!CODE.test(source.path)) return [];
    const found =
      lines > MAX_FILE_LINES
        ? [{ path: source.path, line: 1, message: `${lines} lines; a file has at most ${MAX_FILE_LINES}` }]
        : [];
    const functions = TYPESCRIPT.test(source.path) ? typescriptFunctions(source.text) : cFunctions(source);
    return found.concat(
      functions
        .filter((block) => block.lines > MAX_FUNCTION_LINES)
        .map((block) => ({
          path: source.path,
          line: block.line,
          message: `function of ${block.lines} lines; at most ${MAX_FUNCTION_LINES}`,
        })),
    );
  });
}

interface Block {
  readonly line: number;
  readonly lines: number;
}

/** Starts of functions: declarations, methods and arrow functions with a block. The formatter has normalised the layout. */
const FUNCTION_START =
  /^(?<indent>[ \t]*)(?:export\s+)?(?:default\s+)?(?:(?:public|private|protected|static|override|readonly|async|get|set)\s+)*(?:function\b[^\n]*|(?:const|let)\s+\w+[^\n]*=>\s*|(?!(?:if|for|while|switch|catch|else|return|do|try)\b)[#\w]+(?:<[^\n]*>)?\([^\n]*)(?:\{)$|^(?<wrapped>[ \t]*)\)(?::[^\n]*)?(?:\s*=>)?\s*\{$/gm;

/** Functions by the formatter's indentation: a block ends at the first line that begins with `}` at its own depth. */
function typescriptFunctions(text: string): Block[] {
  const lines = text.split("\n");
  return [...text.matchAll(FUNCTION_START)].flatMap((match) => {
    const indent = match.groups?.["indent"] ?? match.groups?.["wrapped"] ?? "";
    const first = lineOf(text, match.index + 1);
    if (/^\s*(?:describe|suite)\b/.test(lines[first - 1]!)) return []; // a group of tests is not a function
    const end = lines.findIndex((line, index) => index >= first && line.startsWith(`${indent}}`));
    return end === -1 ? [] : [{ line: first, lines: end - first + 2 }];
  });
}

function cFunctions(source: Source): Block[] {
  if (!/\.[ch]$/.test(source.path)) return [];
  const lines = source.text.split("\n");
  return [...source.text.matchAll(/^\{$/gm)].flatMap((match) => {
    const first = lineOf(source.text, match.index + 1);
    const end = lines.findIndex((line, index) => index >= first && line === "}");
    return end === -1 ? [] : [{ line: first, lines: end - first + 2 }];
  });
}
