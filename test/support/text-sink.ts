import { Writable } from "node:stream";

/** Takes all that is written, as text. */
export class TextSink extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}
