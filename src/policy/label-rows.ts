import type { Condition } from "./label-index.ts";

function grown<T extends Int32Array | Uint8Array>(old: T, size: number): T {
  const fresh = new (old.constructor as new (length: number) => T)(Math.max(size, old.length * 2));
  fresh.set(old);
  return fresh;
}

/** The bit of a row that is somebody's. */
const LIVE = 1 << 31;

/** One of the other 31 bits for each label. */
function bitOf(label: number): number {
  return 1 << (label % 31);
}

/** The label numbers of every row, one row behind the other: a hundred thousand small arrays would cost far more. */
export class LabelRows {
  private labels = new Int32Array(128);
  /** Where the labels of a row begin; those of the next row end them. */
  private starts = new Int32Array(32);
  /** The bits of each row's labels together: a row that lacks a label's bit lacks the label. 0 = gone. */
  private signs = new Int32Array(32);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Returns the new row. */
  push(labels: readonly number[]): number {
    const row = this.count++;
    const start = this.starts[row]!;
    if (start + labels.length > this.labels.length) this.labels = grown(this.labels, start + labels.length);
    if (this.count + 1 > this.starts.length) {
      this.starts = grown(this.starts, this.count + 1);
      this.signs = grown(this.signs, this.count + 1);
    }
    this.labels.set(labels, start);
    this.signs[row] = labels.reduce((sign, label) => sign | bitOf(label), LIVE);
    this.starts[row + 1] = start + labels.length;
    return row;
  }

  /** The row is no longer anybody's; its number is not used again. */
  drop(row: number): void {
    this.signs[row] = 0;
  }

  /** Adds those of the rows to `found` that are not gone and meet all conditions. */
  collect(rows: readonly number[], conditions: readonly Condition[], found: number[]): void {
    const { signs } = this;
    let sign = LIVE;
    for (let index = 0; index < conditions.length; index++) {
      const { negative, only } = conditions[index]!;
      if (!negative && only !== -1) sign |= bitOf(only);
    }
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!;
      if ((signs[row]! & sign) === sign && this.meetsAll(row, conditions)) found.push(row);
    }
  }

  of(row: number): Int32Array {
    return this.labels.subarray(this.starts[row], this.starts[row + 1]);
  }

  meetsAll(row: number, conditions: readonly Condition[]): boolean {
    for (let index = 0; index < conditions.length; index++) if (!this.meets(row, conditions[index]!)) return false;
    return true;
  }

  private meets(row: number, { negative, labels, only }: Condition): boolean {
    const end = this.starts[row + 1]!;
    for (let index = this.starts[row]!; index < end; index++) {
      const label = this.labels[index]!;
      if (only === -1 ? labels.has(label) : label === only) return !negative;
    }
    return negative;
  }
}
