import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { CONTENT_TYPES, exposition, type TextForm } from "./exposition.ts";
import type { Registry } from "./registry.ts";

/** Where to listen. Without a host: every address of this network namespace. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

/** A certificate with its key, all PEM; with authorities only readers are answered that have a certificate of one of them. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** A certificate that may be renewed while it is used. */
export interface CertificateSource {
  current(): ServerCertificate;
  onRenewed(listener: () => void): void;
}

/** What Cilium's metrics server asks for. */
const MIN_TLS_VERSION = "TLSv1.3";

export interface MetricsServerOptions {
  readonly registry: Registry;
  /** Whether OpenMetrics is answered to those who ask for it. */
  readonly openMetrics?: () => boolean;
  /** Told of each answer: its status and how many seconds it took. */
  readonly answered?: (status: number, seconds: number) => void;
  readonly log: (message: string) => void;
}

const REQUEST_TIMEOUT = 10_000;

/** Reads `:9965`, `127.0.0.1:9965`, `[::1]:9965`; undefined for an empty text. Throws with what to write. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text === "") return undefined;
  const [, host = "", digits = ""] = /^(\[[0-9a-f:.]+\]|[^:[\]]*):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65_535) throw new Error(`${JSON.stringify(text)}: write it like :9965; empty for none`);
  return host === "" ? { port } : { host: host.replace(/^\[|\]$/g, ""), port };
}

function textOf({ host = "", port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A text that was made stands for so many times as long as it took: pods can ask too, and must not keep the process busy. */
const REST_FACTOR = 10;

interface Made {
  readonly text: string;
  /** Of `performance.now`. */
  readonly until: number;
}

/** The texts of a registry, made anew when they are old. */
function textsOf(registry: Registry): (form: TextForm) => string {
  const made = new Map<TextForm, Made>();
  return (form) => {
    const start = performance.now();
    const known = made.get(form);
    if (known !== undefined && start < known.until) return known.text;
    const text = exposition(registry, form);
    const end = performance.now();
    made.set(form, { text, until: end + (end - start) * REST_FACTOR });
    return text;
  };
}

type Texts = ReturnType<typeof textsOf>;

function answer(
  { openMetrics }: MetricsServerOptions,
  texts: Texts,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.url?.split("?")[0] !== "/metrics") {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("404 page not found\n");
    return;
  }
  const asked = request.headers.accept?.includes("application/openmetrics-text") ?? false;
  const form: TextForm = asked && openMetrics?.() === true ? "openmetrics" : "prometheus";
  response.writeHead(200, { "content-type": CONTENT_TYPES[form] }).end(texts(form));
}

function contextOf({ cert, key, ca }: ServerCertificate) {
  const readers = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  return { cert, key, ...readers, minVersion: MIN_TLS_VERSION } as const;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** In clear, or by TLS with a certificate that later connections get anew when it was renewed. */
function serverOf(certificate: CertificateSource | undefined, listener: Listener): Server | TlsServer {
  if (certificate === undefined) return createServer({ requestTimeout: REQUEST_TIMEOUT }, listener);
  const options = { ...contextOf(certificate.current()), requestTimeout: REQUEST_TIMEOUT };
  const server = createTlsServer(options, listener);
  certificate.onRenewed(() => server.setSecureContext(contextOf(certificate.current())));
  return server;
}

/** Serves a registry at `/metrics`, where it is told to and as long. */
export class MetricsServer {
  private readonly options: MetricsServerOptions;
  private readonly texts: Texts;
  private server: Server | TlsServer | undefined;
  private address = "";
  private certificate: CertificateSource | undefined;

  constructor(options: MetricsServerOptions) {
    this.options = options;
    this.texts = textsOf(options.registry);
  }

  /** The port that is listened on, 0 = none. */
  get port(): number {
    return (this.server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Listens there and nowhere else; undefined = nowhere. Where it cannot, it says so in the log, and resolves too. With a certificate by TLS alone. */
  async listen(address: ListenAddress | undefined, certificate?: CertificateSource): Promise<void> {
    const text = address === undefined ? "" : textOf(address);
    if (text === this.address && certificate === this.certificate) return;
    this.address = text;
    this.certificate = certificate;
    this.stop();
    if (address === undefined) return;
    const server = serverOf(certificate, (request, response) => {
      const start = performance.now();
      answer(this.options, this.texts, request, response);
      this.options.answered?.(response.statusCode, (performance.now() - start) / 1000);
    });
    this.server = server;
    await new Promise<void>((resolve) => {
      server.once("error", (error) => {
        this.options.log(`no metrics on ${text}: ${error.message}`);
        if (this.server === server) this.address = "";
        resolve();
      });
      server.listen(address.port, address.host, resolve);
    });
  }

  close(): void {
    this.address = "";
    this.stop();
  }

  private stop(): void {
    this.server?.close();
    this.server?.closeAllConnections();
    this.server = undefined;
  }
}
