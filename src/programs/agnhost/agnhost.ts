import { Command, InvalidArgumentError, Option } from "commander";
import { PROTOCOLS, type Protocol, tryConnection } from "./connect.ts";
import { type HealthOptions, serveGrpcHealth } from "./grpc-health.ts";
import { serveNetexec } from "./netexec.ts";
import { serveHostname } from "./serve-hostname.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** Milliseconds of a duration as Go writes it: `1s`, `500ms`, `1m`. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("a duration such as 1s or 500ms is wanted");
  return Number(match[1]) * UNITS[match[2]!]!;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < -1 || port > 65535) throw new InvalidArgumentError("a port is wanted");
  return port;
}

function seconds(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError("a number of seconds is wanted");
  return Number(text);
}

/** Until somebody ends it. */
function forever(): void {
  setInterval(() => undefined, 2 ** 30);
}

/** The command line of agnhost, as far as it is there; what is not is refused by name. */
export function agnhostCommand(): Command {
  const program = new Command("agnhost")
    .description("what policy tests of Kubernetes use of its agnhost image")
    .showHelpAfterError(
      "(of agnhost's commands this lab has connect, netexec, serve-hostname, grpc-health-checking and pause)",
    );
  program
    .command("connect <endpoint>")
    .description("try to connect; exit code 1 and TIMEOUT, REFUSED, DNS or OTHER when it fails")
    .option("--timeout <duration>", "how long", durationMs, 1000)
    .addOption(new Option("--protocol <protocol>").choices(PROTOCOLS).default("tcp"))
    .option("--udp-data <text>", "what is sent by UDP", "hostname")
    .action(async (endpoint: string, flags: { timeout: number; protocol: Protocol; udpData: string }) => {
      const { timeout: timeoutMs, protocol, udpData } = flags;
      const failure = await tryConnection(endpoint, { protocol, timeoutMs, udpData });
      if (failure !== undefined) process.stderr.write(`${failure}\n`);
      process.exitCode = failure === undefined ? 0 : 1;
    });
  program
    .command("netexec")
    .description("serve HTTP and UDP")
    .option("--http-port <port>", "", portNumber, 8080)
    .option("--udp-port <port>", "", portNumber, 8081)
    .option("--sctp-port <port>", "", portNumber, -1)
    .action(async (flags: { httpPort: number; udpPort: number; sctpPort: number }) => {
      if (flags.sctpPort >= 0) throw new Error("--sctp-port: pods of this lab have no SCTP sockets; leave it out");
      await serveNetexec({ http: flags.httpPort, udp: flags.udpPort });
    });
  program
    .command("serve-hostname")
    .description("answer with the pod's name")
    .option("--port <port>", "", portNumber, 9376)
    .option("--http [bool]", "by HTTP", true)
    .option("--tcp", "by TCP")
    .option("--udp", "by UDP")
    .action(async (flags: { port: number; tcp?: true; udp?: true }) => {
      await serveHostname(flags.udp ? "udp" : flags.tcp ? "tcp" : "http", flags.port);
    });
  program
    .command("grpc-health-checking")
    .description("serve gRPC's health protocol")
    .option("--port <port>", "of gRPC", portNumber, 5000)
    .option("--http-port <port>", "of /make-serving and /make-not-serving", portNumber, 8080)
    .option("--service <name>", "the service that probes ask for", "")
    .option(
      "--delay-unhealthy-sec <seconds>",
      "after how long nothing is served any more; negative: never",
      seconds,
      -1,
    )
    .action(async (flags: HealthOptions) => void (await serveGrpcHealth(flags)));
  program.command("pause").description("do nothing").action(forever);
  return program;
}
