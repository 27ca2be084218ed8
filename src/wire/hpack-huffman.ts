import { latin1 } from "./latin1.ts";

/**
 * Bits of each symbol's code (RFC 7541, appendix B), as letters: A is 5. The code is canonical: shorter ones come first, and
 * of one length the smaller symbol. The last is the end of the string.
 */
const LENGTHS =
  "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKG" +
  "JIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ";
const END = 256;
/** Transitions by four bits: next state, symbol that comes out, or nothing (`NONE`), or a fault (state `FAULT`). */
const NONE = -1;
const FAULT = -1;

interface Automaton {
  readonly next: Int16Array;
  readonly symbol: Int16Array;
  /** States in which a string may end: less than a byte of the end symbol's code, which is all ones, has been read. */
  readonly accepting: Uint8Array;
}

/** Children of the tree's inner nodes: another node, or a leaf as `-2 - symbol`; `NONE` where nothing is. */
function codeTree(): number[] {
  const symbols = [...LENGTHS].map((letter, symbol) => ({ symbol, length: letter.charCodeAt(0) - 60 }));
  symbols.sort((one, other) => one.length - other.length || one.symbol - other.symbol);
  const children = [NONE, NONE];
  let code = 0;
  let previous = symbols[0]!.length;
  for (const { symbol, length } of symbols) {
    code *= 2 ** (length - previous);
    previous = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = node * 2 + (Math.floor(code / 2 ** bit) % 2);
      if (children[slot] === NONE) {
        children[slot] = children.length / 2;
        children.push(NONE, NONE);
      }
      node = children[slot]!;
    }
    children[node * 2 + (code % 2)] = -2 - symbol;
    code++;
  }
  return children;
}

function automaton(): Automaton {
  const children = codeTree();
  const states = children.length / 2;
  const next = new Int16Array(states * 16);
  const symbol = new Int16Array(states * 16).fill(NONE);
  for (let state = 0; state < states; state++) {
    for (let bits = 0; bits < 16; bits++) {
      let node = state;
      for (let bit = 3; bit >= 0 && node !== FAULT; bit--) {
        const child = children[node * 2 + ((bits >> bit) & 1)]!;
        if (child >= 0) node = child;
        else if (child === NONE || -2 - child === END) node = FAULT;
        else {
          symbol[state * 16 + bits] = -2 - child;
          node = 0;
        }
      }
      next[state * 16 + bits] = node;
    }
  }
  const accepting = new Uint8Array(states);
  for (let node = 0, bits = 0; bits < 8; bits++) {
    accepting[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return { next, symbol, accepting };
}

const DECODER = automaton();

/** The shortest code has five bits. */
const MOST_SYMBOLS_OF_A_BYTE = 8 / 5;
let decoded = new Uint8Array(1024);

/** The text of Huffman-coded bytes, one character a byte; undefined when they are not the code of any (RFC 7541, 5.2). */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  const { next, symbol, accepting } = DECODER;
  const most = Math.ceil((end - start) * MOST_SYMBOLS_OF_A_BYTE);
  if (most > decoded.length) decoded = new Uint8Array(2 * most);
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    for (let shift = 4; shift >= 0; shift -= 4) {
      const transition = state * 16 + ((bytes[at]! >> shift) & 15);
      if (symbol[transition] !== NONE) decoded[length++] = symbol[transition]!;
      state = next[transition]!;
      if (state === FAULT) return undefined;
    }
  }
  return accepting[state] === 1 ? latin1(decoded, 0, length) : undefined;
}
