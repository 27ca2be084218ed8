/** What a pod does while policies change under it. Prints a line when it has begun and one of JSON at the end.
 *   serve OPEN CLOSED                       echoes on both UDP ports and on the TCP port OPEN; ends with its input
 *   ask DST OPEN CLOSED                     asks until its input ends: what is open must be answered, what is closed not */
import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const PAUSE_MS = 1;
/** How long the last answers may take. */
const GRACE_MS = 300;

function serve(open: number, closed: number): void {
  let leaked = 0;
  const before = overflowed();
  for (const port of [open, closed]) {
    const server = createSocket("udp4");
    server.on("message", (message, peer) => {
      if (port === closed) leaked++;
      server.send(message, peer.port, peer.address);
    });
    server.bind(port);
  }
  createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(open);
  console.log("ready");
  process.stdin.resume();
  process.stdin.on("end", () => {
    console.log(JSON.stringify({ leaked, overflowed: overflowed() - before }));
    process.exit(0);
  });
}

/** Datagrams that reached this pod when its process had no time to read: they are not lost on the way. */
function overflowed(): number {
  const [names = [], values = []] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("RcvbufErrors")] ?? 0);
}

/** Sends numbered datagrams and counts the answers. */
class Datagrams {
  sent = 0;
  readonly answered = new Set<number>();
  private readonly socket: Socket = createSocket("udp4");

  constructor() {
    this.socket.on("message", (message) => this.answered.add(message.readUInt32BE()));
    this.socket.on("error", () => undefined);
  }

  send(to: string, port: number): void {
    const message = Buffer.alloc(4);
    message.writeUInt32BE(this.sent++);
    this.socket.send(message, port, to);
  }
}

async function ask(to: string, open: number, closed: number): Promise<void> {
  let [going, begun] = [true, false];
  process.stdin.resume();
  process.stdin.on("end", () => {
    going = false;
  });
  const before = overflowed();
  const [allowed, denied] = [new Datagrams(), new Datagrams()];
  const stream = connect(open, to);
  let [written, read, broken] = [0, 0, ""];
  stream.on("data", (chunk) => {
    read += chunk.length;
  });
  stream.on("error", (error) => {
    broken = error.message;
  });
  stream.on("close", () => {
    broken ||= "closed";
  });
  while (going) {
    allowed.send(to, open);
    denied.send(to, closed);
    if (stream.write("x")) written++;
    if (!begun && allowed.answered.size > 0 && read > 0) {
      begun = true;
      console.log("answered");
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
  const counts = { sent: allowed.sent, answered: allowed.answered.size, leaked: denied.answered.size };
  console.log(
    JSON.stringify({ ...counts, overflowed: overflowed() - before, denied: denied.sent, written, read, broken }),
  );
  process.exit(0);
}

const [mode, ...args] = process.argv.slice(2);
if (mode === "serve") serve(Number(args[0]), Number(args[1]));
else await ask(args[0]!, Number(args[1]), Number(args[2]));
