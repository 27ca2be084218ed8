import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type AccessRecords, AccessRecordsSchema } from "../../proto/gen/proxy_pb.js";
import type { AccessRecord } from "../model/access-record.ts";
import { BatchWriter } from "./access-batch.ts";

/** Most records that wait for the agent; beyond, the newest are given up and counted. */
const MAX_WAITING = 8192;
/** Their most bytes: heads may be long. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** From one batch to the next: a message costs as much as dozens of records. */
const PAUSE_MS = 4;

/** Records on their way to the agent. Proxying never waits for them. */
export class AccessLog {
  private readonly batch = new BatchWriter();
  /** Records in the batch. */
  private waiting = 0;
  private lost = 0;
  /** Records given up since the start. */
  lostInAll = 0;
  private wake: (() => void) | undefined;

  readonly record = (record: AccessRecord): void => {
    if (this.waiting >= MAX_WAITING || this.batch.size >= MAX_WAITING_BYTES) {
      this.lost++;
      this.lostInAll++;
    } else {
      this.batch.append(record);
      this.waiting++;
    }
    this.wake?.();
  };

  /** Batches for one stream, each holding what came during one turn of the event loop, or since the last; ends with the signal. */
  async *batches(signal: AbortSignal): AsyncGenerator<AccessRecords> {
    const onAbort = () => this.wake?.();
    signal.addEventListener("abort", onAbort);
    while (!signal.aborted) {
      if (this.waiting === 0) await this.arrival();
      await nextTurn();
      if (signal.aborted || this.waiting === 0) continue;
      const { lost } = this;
      this.waiting = 0;
      this.lost = 0;
      yield create(AccessRecordsSchema, { records: this.batch.take(), lost });
      await sleep(PAUSE_MS);
    }
    signal.removeEventListener("abort", onAbort);
  }

  private async arrival(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = undefined;
  }
}
