import type { Inventory } from "../inventory.ts";
import type { Recording } from "./recording.ts";
import { type Replay, type ReplayedFlow, replay } from "./replay.ts";

/** Says of a recording that goes on what is new: each distinct flow when what becomes of it is first known, and again when that changes. */
export class Rehearsal {
  private readonly recording: Recording;
  private readonly candidate: Inventory;
  private readonly told = new Map<string, string>();
  private seen = 0;

  constructor(recording: Recording, candidate: Inventory) {
    this.recording = recording;
    this.candidate = candidate;
  }

  /** Flows that the candidate opens or closes and that were not told so yet, or that it no longer does. */
  news(): ReplayedFlow[] {
    const { flowCount, answerCount } = this.recording;
    if (flowCount + answerCount === this.seen) return [];
    this.seen = flowCount + answerCount;
    return this.now().flows.filter(({ conversation: { key }, change, now }) => {
      const word = `${change} ${now}`;
      const before = this.told.get(key);
      const matters = change === "opened" || change === "closed" || before !== undefined;
      if (!matters || before === word) return false;
      this.told.set(key, word);
      return true;
    });
  }

  /** Everything so far. */
  now(): Replay {
    this.recording.finish();
    return replay(this.recording, this.candidate);
  }
}
