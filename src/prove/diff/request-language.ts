import { compileRegex } from "../../policy/http-regex.ts";

/**
 * A rule about HTTP requests, or about TLS connections, as a set of them: expressions match whole texts, an absent one matches
 * every text.
 */
export interface RequestRule {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** Of the name that a TLS client asks for, in lower case; where it is absent, also of clients that ask for none. */
  readonly server?: string;
  /** The TLS that the proxy ends or begins: rules with another are about something else. */
  readonly tls?: string;
  /** It is about connections, whatever is said in them. */
  readonly isConnection?: true;
  /** What headers must be, each as a text; all must hold. What stands behind `UNTOLD` counts, and is never told. */
  readonly demands: readonly string[];
}

/** In the place of `tls`: the rule is about names that a DNS server is asked for. */
export const DNS_QUESTION = "dns";

/** Between what a demand is called and the value of a secret. */
export const UNTOLD = "\0";

const FIELDS = ["method", "path", "host", "server"] as const;
/** Methods and paths are never empty. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(["host", "server"]);

/** Methods that people know, the one that they know best last. */
const METHODS = ["DELETE", "PUT", "POST", "GET"];

/** The instructions of a compiled expression, as the regex engine runs them (re2js, after RE2). */
interface Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
  readonly runes: ArrayLike<number>;
  matchRune(rune: number): boolean;
}

interface Program {
  readonly inst: readonly Instruction[];
  readonly start: number;
}

const [ALT, ALT_MATCH, CAPTURE, EMPTY_WIDTH, , MATCH, NOP, RUNE, RUNE1, ANY, ANY_NOT_NL] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;
const [BEGIN_TEXT, END_TEXT] = [4, 8];
const FOLD_CASE = 1;
/** Pairs of states that are looked at; more are not decided. */
const MOST_STATES = 5_000;

class Undecided extends Error {}

/**
 * A request that the rule matches and none of the others does, one of the shortest, as `GET /path (host name)` or `server name`; undefined = there
 * is none: every request of the rule is one of theirs. `unknown` = not decided, for an expression that asks for more than characters and
 * ends, or for more states than can be looked at. Exact for requests of printable characters without spaces, the only ones that
 * can be sent.
 */
export function uncoveredRequest(
  rule: RequestRule,
  others: readonly RequestRule[],
): { request: string } | "unknown" | undefined {
  // Whoever wants a header that the rule does not want matches not all of its requests, and what is left is told apart by it.
  const rivals = others.filter(
    ({ demands, tls, isConnection }) =>
      tls === rule.tls &&
      isConnection === rule.isConnection &&
      demands.every((demand) => rule.demands.includes(demand)),
  );
  const fields = FIELDS.filter((field) => [rule, ...rivals].some((each) => each[field] !== undefined));
  if (fields.length === 0) return rivals.length > 0 ? undefined : { request: requestText({}, rule) };
  try {
    const search = (one: RequestRule) => new Search(fields, [one, ...rivals]).run();
    let found = search(rule);
    if (found !== undefined && rule.method === undefined)
      for (const method of METHODS) found = search({ ...rule, method }) ?? found;
    return found === undefined ? undefined : { request: requestText(found, rule) };
  } catch (error) {
    if (error instanceof Undecided) return "unknown";
    throw error;
  }
}

/** A request without what its headers say: an absent field may be anything. */
export type RequestFields = Readonly<Partial<Record<(typeof FIELDS)[number], string>>>;

/** Requests that the same rules match. */
export interface RequestRegion {
  /** One of the shortest. */
  readonly request: RequestFields;
  /** By rule. */
  readonly matched: readonly boolean[];
}

/**
 * All requests, in parts that the rules tell apart, whatever their `demands`, `tls` and `isConnection`. `unknown` as with
 * `uncoveredRequest`.
 */
export function requestRegions(rules: readonly RequestRule[]): readonly RequestRegion[] | "unknown" {
  const fields = FIELDS.filter((field) => rules.some((each) => each[field] !== undefined));
  if (fields.length === 0) return [{ request: {}, matched: rules.map(() => true) }];
  try {
    return new Search(fields, [{ demands: [] }, ...rules]).regions();
  } catch (error) {
    if (error instanceof Undecided) return "unknown";
    throw error;
  }
}

/** As people read it. */
export function requestText(
  { method = "GET", path = "/", host, server }: RequestFields,
  { demands, isConnection, tls }: Pick<RequestRule, "demands" | "isConnection" | "tls">,
): string {
  if (tls === DNS_QUESTION) return `name ${server}`;
  const asked = server ? `server ${server}` : "no server name";
  if (isConnection) return asked;
  const more = [
    ...(host === undefined ? [] : [`host ${host}`]),
    ...demands.map((demand) => demand.split(UNTOLD, 1)[0]!),
    ...(server === undefined ? [] : [asked]),
  ];
  return `${method} ${path}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
}

function programOf(expression: string | undefined): Program | undefined {
  if (expression === undefined || expression === "") return undefined;
  const { prog } = (compileRegex(expression) as unknown as { re2Input: { prog: Program } }).re2Input;
  const isPlain = prog.inst.every(
    ({ op, arg, runes }) =>
      op <= ANY_NOT_NL &&
      (op !== EMPTY_WIDTH || (arg & ~(BEGIN_TEXT | END_TEXT)) === 0) &&
      (runes.length !== 1 || (arg & FOLD_CASE) === 0 || runes[0]! < 128),
  );
  if (!isPlain) throw new Undecided();
  return prog;
}

/** Where the rules can be within one field: for each rule its instructions that wait for a character. */
type Places = readonly (readonly number[])[];

interface Situation {
  readonly field: number;
  readonly isStart: boolean;
  readonly places: Places;
  readonly before: Situation | undefined;
  /** The character that led here; undefined = the field before ended. */
  readonly by: number | undefined;
}

/** Goes through all requests at once, breadth first: what the first rule matches and the others do not. */
class Search {
  private readonly fields: readonly (typeof FIELDS)[number][];
  /** By field and rule; undefined = every text. */
  private readonly programs: readonly (readonly (Program | undefined)[])[];
  private readonly characters: readonly (readonly number[])[];
  private readonly firstCharacters: readonly (readonly number[])[];

  constructor(fields: Search["fields"], rules: readonly RequestRule[]) {
    this.fields = fields;
    this.programs = fields.map((field) => rules.map((rule) => programOf(rule[field])));
    this.characters = this.programs.map((programs) => distinctCharacters(programs, PLEASANT));
    this.firstCharacters = this.programs.map((programs, field) =>
      fields[field] === "path" ? distinctCharacters(programs, PLEASANT_FIRST_IN_PATHS) : this.characters[field]!,
    );
  }

  run(): RequestFields | undefined {
    for (const { ended, at } of this.ends()) if (ended[0] && !ended.includes(true, 1)) return this.textsTo(at);
    return undefined;
  }

  /** The first rule stands for all requests, and is none of theirs. */
  regions(): RequestRegion[] {
    const found = new Map<string, RequestRegion>();
    for (const { ended, at } of this.ends()) {
      const matched = ended.slice(1);
      if (!found.has(matched.join())) found.set(matched.join(), { request: this.familiar(this.textsTo(at)), matched });
    }
    return [...found.values()];
  }

  /** With a method that people know, where the rules take it for the same. */
  private familiar(request: RequestFields): RequestFields {
    const { method } = request;
    if (method === undefined) return request;
    const rules = this.programs[this.fields.indexOf("method")]!;
    const taken = (text: string) => rules.map((program) => takesText(program, text)).join();
    return { ...request, method: METHODS.findLast((known) => taken(known) === taken(method)) ?? method };
  }

  /** Where all fields can end, the shortest requests first, with the rules that match. */
  private *ends(): Iterable<{ ended: readonly boolean[]; at: Situation }> {
    const queue: Situation[] = [
      this.begin(
        0,
        this.programs[0]!.map(() => true),
        undefined,
      ),
    ];
    const seen = new Set<string>();
    for (const at of queue) {
      const ended = this.programs[at.field]!.map((program, rule) => canEnd(program, at.places[rule]!, at.isStart));
      if (ended[0] && !(at.isStart && !MAY_BE_EMPTY.has(this.fields[at.field]!))) {
        if (at.field === this.fields.length - 1) yield { ended, at };
        else this.visit(this.begin(at.field + 1, ended, at), seen, queue);
      }
      const { characters, firstCharacters } = this;
      for (const character of (at.isStart ? firstCharacters : characters)[at.field]!)
        this.visit(this.step(at, character), seen, queue);
    }
  }

  private visit(next: Situation, seen: Set<string>, queue: Situation[]): void {
    if (next.places[0]!.length === 0) return;
    const key = `${next.field}${next.isStart}${next.places.join(";")}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (seen.size > MOST_STATES) throw new Undecided();
    queue.push(next);
  }

  private begin(field: number, alive: readonly boolean[], before: Situation | undefined): Situation {
    const places = this.programs[field]!.map((program, rule) => (alive[rule] ? [program?.start ?? 0] : []));
    return { field, isStart: true, places, before, by: undefined };
  }

  private step(at: Situation, character: number): Situation {
    const places = this.programs[at.field]!.map((program, rule) =>
      stepOf(program, at.places[rule]!, at.isStart, character),
    );
    return { field: at.field, isStart: false, places, before: at, by: character };
  }

  private textsTo(last: Situation): RequestFields {
    const texts: Partial<Record<(typeof FIELDS)[number], string>> = {};
    for (const field of this.fields) texts[field] = "";
    for (let at: Situation | undefined = last; at !== undefined; at = at.before)
      if (at.by !== undefined)
        texts[this.fields[at.field]!] = String.fromCodePoint(at.by) + texts[this.fields[at.field]!];
    return texts;
  }
}

/** Where a program can be after one more character. */
function stepOf(
  program: Program | undefined,
  places: readonly number[],
  isStart: boolean,
  character: number,
): readonly number[] {
  if (program === undefined) return places;
  const next = new Set<number>();
  for (const place of closure(program, places, isStart ? BEGIN_TEXT : 0)) {
    const instruction = program.inst[place]!;
    if (takes(instruction, character)) next.add(instruction.out);
  }
  return [...next].sort((a, b) => a - b);
}

function takesText(program: Program | undefined, text: string): boolean {
  if (program === undefined) return true;
  let places: readonly number[] = [program.start];
  for (const [index, character] of [...text].entries())
    places = stepOf(program, places, index === 0, character.charCodeAt(0));
  return canEnd(program, places, text === "");
}

function takes(instruction: Instruction, character: number): boolean {
  if (instruction.op === ANY || instruction.op === ANY_NOT_NL) return true;
  return (instruction.op === RUNE || instruction.op === RUNE1) && instruction.matchRune(character);
}

/** What can be reached without a character where these conditions of place hold. */
function closure({ inst }: Program, places: readonly number[], conditions: number): Set<number> {
  const reached = new Set(places);
  for (const place of reached) {
    const { op, out, arg } = inst[place]!;
    if (op === ALT || op === ALT_MATCH) reached.add(out).add(arg);
    else if (op === CAPTURE || op === NOP || (op === EMPTY_WIDTH && (arg & ~conditions) === 0)) reached.add(out);
  }
  return reached;
}

function canEnd(program: Program | undefined, places: readonly number[], isStart: boolean): boolean {
  if (program === undefined) return places.length > 0;
  const conditions = END_TEXT | (isStart ? BEGIN_TEXT : 0);
  for (const place of closure(program, places, conditions)) if (program.inst[place]!.op === MATCH) return true;
  return false;
}

const FIRST_PRINTABLE = 0x21;
const DELETE = 0x7f;
/** Stand for the others of their part, where they are in it: examples are to be read. */
const [PLEASANT, PLEASANT_FIRST_IN_PATHS] = ["aA0/-.", "/aA0-."].map((text) =>
  [...text].map((character) => character.charCodeAt(0)),
) as [number[], number[]];

/** One character of each part of the alphabet that the programs tell apart. */
function distinctCharacters(programs: readonly (Program | undefined)[], pleasant: readonly number[]): number[] {
  const starts = new Set([FIRST_PRINTABLE, DELETE + 1]);
  for (const { op, runes, arg } of programs.flatMap((program) => program?.inst ?? [])) {
    if (op !== RUNE && op !== RUNE1) continue;
    if (runes.length === 1)
      for (const rune of (arg & FOLD_CASE) === 0 ? [runes[0]!] : folded(runes[0]!)) starts.add(rune).add(rune + 1);
    else for (let at = 0; at < runes.length; at += 2) starts.add(runes[at]!).add(runes[at + 1]! + 1);
  }
  const sorted = [...starts].filter((start) => start >= FIRST_PRINTABLE && start <= 0x10ffff).sort((a, b) => a - b);
  const chosen = sorted.flatMap((start, index) => {
    const end = sorted[index + 1] ?? 0x110000;
    if (start === DELETE) return [];
    return [pleasant.find((character) => start <= character && character < end) ?? start];
  });
  const rankOf = (character: number) => {
    const place = pleasant.indexOf(character);
    return place < 0 ? pleasant.length + character : place;
  };
  return chosen.sort((a, b) => rankOf(a) - rankOf(b));
}

/** The characters that a letter stands for when case does not matter: `k` and `s` have one beyond ASCII each. */
function folded(rune: number): number[] {
  const letter = String.fromCharCode(rune);
  const beyond = { k: 0x212a, s: 0x17f }[letter.toLowerCase()];
  return [
    letter.toLowerCase().charCodeAt(0),
    letter.toUpperCase().charCodeAt(0),
    ...(beyond === undefined ? [] : [beyond]),
  ];
}
