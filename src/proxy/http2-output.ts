import { FrameWriter } from "../wire/http2-frame-writer.ts";
import type { SessionOutput } from "../wire/http2-session-options.ts";
import type { ByteStream } from "./byte-stream.ts";
import { loop, type TurnEnd } from "./epoll/loop.ts";

/** Bytes that wait for the stream before bodies are held back. */
const HELD_BACK = 256 * 1024;
/** Bytes that wait for a peer who reads nothing but has answers coming: beyond, it is cut off. */
const PILED_UP = 8 * 1024 * 1024;

/** A byte stream's writing side for a session: what one turn writes leaves in one piece. */
export class Http2Output implements SessionOutput, TurnEnd {
  readonly frames = new FrameWriter(() => this.begin());
  private readonly stream: ByteStream;
  private readonly drained: () => void;
  private hasEnded = false;

  /** `drained`: bodies may go on. */
  constructor(stream: ByteStream, drained: () => void) {
    this.stream = stream;
    this.drained = drained;
    stream.on("drain", drained);
  }

  get isBlocked(): boolean {
    return this.frames.length >= HELD_BACK || this.stream.writableNeedDrain;
  }

  turnEnds(): void {
    this.flush();
  }

  /** Sends what is written and ends this side. */
  end(): void {
    this.flush();
    this.hasEnded = true;
    this.stream.end();
  }

  private begin(): void {
    if (!loop.atTurnEnd(this)) process.nextTick(this.flush);
  }

  private readonly flush = (): void => {
    let goesOn = true;
    while (goesOn && this.frames.length > 0) {
      const { length } = this.frames;
      this.frames.take((bytes) => {
        goesOn = !this.hasEnded && this.stream.write(bytes);
      });
      if (this.stream.writableLength > PILED_UP) this.stream.destroy();
      else if (length >= HELD_BACK && goesOn) this.drained();
    }
  };
}
