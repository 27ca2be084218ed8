/**
 * A DNS server or client for a pod of the datapath's tests. `serve`: answers every name with the address that the question came
 * from, `big.…` with 200 of them. `ask udp|tcp SERVER[#PORT] NAME…`: asks all from one socket and prints, as JSON, what came
 * within a second.
 */
import { createSocket } from "node:dgram";
import { connect, createServer, isIPv6 } from "node:net";
import { parseAddress } from "../../src/model/cidr.ts";
import { DnsClass, type DnsData, DnsType, decodeDns } from "../../src/wire/dns.ts";
import { encodeDns } from "../../src/wire/dns-encode.ts";
import { nameText } from "../../src/wire/dns-name.ts";
import { DnsStreamReader, dnsFrame } from "../../src/wire/dns-stream.ts";
import { dnsQuestion } from "../support/dns-message.ts";

const PATIENCE_MS = 1000;

function answerTo(bytes: Uint8Array, client: string): Uint8Array {
  const question = decodeDns(bytes)!;
  const { name } = question.questions[0]!;
  const address = client.replace("::ffff:", "");
  const data: DnsData = isIPv6(address) ? { type: "AAAA", address: parseAddress(address)! } : { type: "A", address };
  const record = { name, class: DnsClass.IN, ttl: 30, data };
  const answers = new Array(name[0] === "big" ? 200 : 1).fill(record);
  return encodeDns({ ...question, response: true, answers });
}

function serve(): void {
  const udp = createSocket({ type: "udp6", ipv6Only: false });
  udp.on("message", (bytes, { address, port }) => udp.send(answerTo(bytes, address), port, address));
  udp.bind(53, "::");
  createServer((socket) => {
    const reader = new DnsStreamReader();
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      for (const message of reader.push(chunk)) socket.write(dnsFrame(answerTo(message, socket.remoteAddress ?? "")));
    });
  }).listen(53, "::");
}

function summary(bytes: Uint8Array): object {
  const { questions, code, truncated, answers } = decodeDns(bytes)!;
  const [first] = answers;
  const address = first?.data.type === "A" ? first.data.address : first?.data.type === "AAAA" ? "IPv6" : "";
  return { name: nameText(questions[0]!.name), code, truncated, count: answers.length, address };
}

async function ask(transport: string, server: string, names: readonly string[]): Promise<void> {
  const [host = "", port = "53"] = server.split("#");
  const type = host.includes(":") ? DnsType.AAAA : DnsType.A;
  const queries = names.map((name, id) => encodeDns(dnsQuestion(name, type, { id })));
  const answers: object[] = [];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS);
    const take = (bytes: Uint8Array) => {
      answers.push(summary(bytes));
      if (answers.length < names.length) return;
      clearTimeout(timer);
      resolve();
    };
    if (transport === "udp") {
      const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
      socket.on("message", take);
      for (const query of queries) socket.send(query, Number(port), host);
      return;
    }
    const socket = connect(Number(port), host, () => socket.write(Buffer.concat(queries.map(dnsFrame))));
    const reader = new DnsStreamReader();
    socket.on("error", () => resolve());
    socket.on("data", (chunk) => {
      for (const message of reader.push(chunk)) take(message);
    });
  });
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
}

const [role, transport = "", server = "", ...names] = process.argv.slice(2);
if (role === "serve") serve();
else await ask(transport, server, names);
