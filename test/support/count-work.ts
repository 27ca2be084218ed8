import { Session } from "node:inspector";

type Call = (self: { readonly length: number }, given: readonly unknown[], result: unknown) => number;

/** From where it began to where it found something, or to the end. */
const searched: Call = ({ length }, [, from = 0], found) =>
  typeof found === "number" && found >= 0 ? found - Number(from) + 1 : length - Number(from);
/** As often as it asks about an element. */
const asked: Call = () => 0;
const whole: Call = ({ length }) => length;

const ARRAY = ["entries", "flat", "includes", "concat", "slice", "splice", "shift", "unshift", "join", "sort", "map"];
/** Built-in calls that look at many elements or characters, which no count of lines sees. */
const BUILT_IN: readonly (readonly [object, readonly (string | symbol)[], Call])[] = [
  [Array.prototype, [...ARRAY, "flatMap", "filter", "forEach", "reduce", "toSorted", Symbol.iterator], whole],
  [Array.prototype, ["indexOf", "lastIndexOf"], searched],
  [Array.prototype, ["find", "findIndex", "findLast", "some", "every"], asked],
  [String.prototype, ["indexOf", "includes"], searched],
  [String.prototype, ["split", "replaceAll", "trim", "normalize", Symbol.iterator], whole],
  [Set.prototype, [Symbol.iterator, "forEach"], (self) => (self as unknown as Set<unknown>).size],
  [
    Map.prototype,
    [Symbol.iterator, "entries", "keys", "values"],
    (self) => (self as unknown as Map<unknown, unknown>).size,
  ],
  [Object, ["keys", "values", "entries"], (_, __, found) => (found as unknown[]).length],
  [Object, ["fromEntries", "assign"], (_, __, found) => Object.getOwnPropertyNames(found).length],
];

/**
 * How many elements and characters built-ins look at while `run` runs: a number that is the same in each run, whatever else
 * the machine does. Loops of our own are not in it: see `BlockCounter`.
 */
export function countCalls(run: () => void): number {
  let work = 0;
  const restore: (() => void)[] = [];
  const patch = (owner: object, name: string | symbol, call: Call) => {
    const own = Object.getOwnPropertyDescriptor(owner, name)!;
    const original = own.value as (...given: unknown[]) => unknown;
    const counted = function (this: { length: number }, ...given: unknown[]) {
      const before = call === whole ? this.length : 0;
      if (call === asked) {
        const ask = given[0] as (...element: unknown[]) => unknown;
        given[0] = (...element: unknown[]) => {
          work++;
          return ask(...element);
        };
      }
      const result = Reflect.apply(original, this, given);
      work += call === whole ? before : call(this, given, result);
      return result;
    };
    Object.defineProperty(owner, name, { ...own, value: counted });
    restore.push(() => Object.defineProperty(owner, name, own));
  };
  try {
    for (let each = 0; each < BUILT_IN.length; each++) {
      const [owner, names, call] = [BUILT_IN[each]![0], BUILT_IN[each]![1], BUILT_IN[each]![2]];
      for (let index = 0; index < names.length; index++) patch(owner, names[index]!, call);
    }
    run();
  } finally {
    for (let each = restore.length - 1; each >= 0; each--) restore[each]!();
  }
  return work;
}

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
    }[];
  }[];
}

/** How often each block of the policy engine was entered, by file, function and where it begins. */
export type BlockCounts = ReadonlyMap<string, number>;

/** Counts blocks of the modules that are loaded after it is made: the ones before have no counters. */
export class BlockCounter {
  private readonly session = new Session();

  constructor() {
    this.session.connect();
    this.post("Profiler.enable");
    this.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  count(run: () => void): BlockCounts {
    this.post("Profiler.takePreciseCoverage");
    run();
    const { result } = this.post("Profiler.takePreciseCoverage") as Coverage;
    const ours = result.filter(({ url }) => /\/src\/(policy|model)\//.test(url));
    const counts = ours.flatMap(({ url, functions }) =>
      // The calls of the function itself, the first range, are not all counted once it is compiled; blocks are.
      functions.flatMap(({ functionName, ranges: [whole, ...blocks] }) => {
        const name = `${url.replace(/.*\/src\//, "")} ${functionName} at ${whole!.startOffset}`;
        return blocks.map(({ startOffset, count }) => [`${name}, block at ${startOffset}`, count] as const);
      }),
    );
    return new Map(counts);
  }

  private post(method: string, given: object = {}): unknown {
    let answer: unknown;
    this.session.post(method, given, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}
