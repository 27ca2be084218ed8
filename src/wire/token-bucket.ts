/** Counts what may happen now and then: `burst` times at once, and `perSecond` in the long run. */
export class TokenBucket {
  private readonly burst: number;
  private readonly perSecond: number;
  /** Milliseconds. */
  private readonly now: () => number;
  private tokens: number;
  private filledMs: number;

  constructor(burst: number, perSecond: number, now: () => number) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.now = now;
    this.tokens = burst;
    this.filledMs = now();
  }

  /** False when it has happened too often. */
  take(): boolean {
    if (this.tokens < 1) {
      const nowMs = this.now();
      this.tokens = Math.min(this.burst, this.tokens + (Math.max(nowMs - this.filledMs, 0) * this.perSecond) / 1000);
      this.filledMs = nowMs;
      if (this.tokens < 1) return false;
    }
    this.tokens--;
    return true;
  }
}
