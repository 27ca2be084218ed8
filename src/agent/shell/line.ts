/** A line that cannot be carried out; the message is for whoever typed it. */
export class ShellError extends Error {
  /** Words that are named with the command; absent = all that were given. */
  readonly words: readonly string[] | undefined;

  constructor(message: string, words?: readonly string[]) {
    super(message);
    this.words = words;
  }
}

/** A word in progress; a piece in quotes may be empty. */
interface Word {
  text: string;
  isOpen: boolean;
}

/**
 * The words of a line, as the script language of Cilium's shell has them: blanks part them, what stands in single quotes is one
 * piece (two of them there are one), `#` where a word would begin ends the line. Throws ShellError where a quote stays open.
 */
export function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: Word = { text: "", isOpen: false };
  const finish = () => {
    if (word.isOpen) words.push(word.text);
    word = { text: "", isOpen: false };
  };
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (character === "'") {
      const { text, end } = quoted(line, at + 1);
      word = { text: word.text + text, isOpen: true };
      at = end;
    } else if (/[ \t\r\n#]/.test(character)) {
      finish();
      if (character === "#") break;
    } else word = { text: word.text + character, isOpen: true };
  }
  finish();
  return words;
}

/** The piece that begins behind a quote, and where the quote stands that ends it. */
function quoted(line: string, from: number): { readonly text: string; readonly end: number } {
  let text = "";
  for (let at = from; at < line.length; at++) {
    if (line[at] !== "'") text += line[at];
    else if (line[at + 1] === "'") text += line[at++];
    else return { text, end: at };
  }
  throw new ShellError("unterminated quoted argument");
}

/** Words as they would have to be typed. */
export function quotedWords(words: readonly string[]): string {
  return words.map((word) => (/['\s#]/.test(word) ? `'${word.replaceAll("'", "''")}'` : word)).join(" ");
}
