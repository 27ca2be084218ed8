import { callError, calls } from "./calls.ts";
import { EpollSocket } from "./socket.ts";

const AF_UNIX = 1;
const STREAM_NONBLOCK_CLOEXEC = 1 | 0o2004000;
const pair = new Int32Array(2);

/** Two streams of the epoll set that are each other's end. Throws with the errno's name as `code`. */
export function streamPair(): readonly [EpollSocket, EpollSocket] {
  if (calls.socketPair(AF_UNIX, STREAM_NONBLOCK_CLOEXEC, 0, pair) !== 0) throw callError("socketpair", calls.errno());
  return [new EpollSocket(pair[0]!, { connecting: false }), new EpollSocket(pair[1]!, { connecting: false })];
}
