import type { Condition } from "./label-index.ts";

function grown<T extends Int32Array | Uint8Array>(old: T, size: number): T {
  const fresh = new (old.constructor as new (length: number) => T)(Math.max(size, old.length * 2));
  fresh.set(old);
  return fresh;
}

/** The label numbers of every row, one row behind the other: a hundred thousand small arrays would cost far more. */
export class LabelRows {
  private labels = new Int32Array(128);
  /** Where the labels of a row begin; those of the next row end them. */
  private starts = new Int32Array(32);
  private gone = new Uint8Array(32);
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
      this.gone = grown(this.gone, this.count + 1);
    }
    this.labels.set(labels, start);
    this.starts[row + 1] = start + labels.length;
    return row;
  }

  /** The row is no longer anybody's; its number is not used again. */
  drop(row: number): void {
    this.gone[row] = 1;
  }

  isGone(row: number): boolean {
    return this.gone[row] === 1;
  }

  of(row: number): Int32Array {
    return this.labels.subarray(this.starts[row], this.starts[row + 1]);
  }

  meets(row: number, { negative, labels }: Condition): boolean {
    const end = this.starts[row + 1]!;
    for (let index = this.starts[row]!; index < end; index++) if (labels.has(this.labels[index]!)) return !negative;
    return negative;
  }

  meetsAll(row: number, conditions: readonly Condition[]): boolean {
    for (const condition of conditions) if (!this.meets(row, condition)) return false;
    return true;
  }
}
