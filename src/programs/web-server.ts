import { createReadStream, existsSync, type Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { pipeline } from "node:stream";
import { listen, peerOf } from "./listener.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".htm": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".json": "application/json",
  ".txt": "text/plain",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

/** The server that one image stands for. */
export interface WebSite {
  readonly port: number;
  /** Where its image has its files; what is mounted there is served. */
  readonly directory: string;
  /** What is served at `/` when no file is there. */
  readonly welcome: string;
  readonly serverName: string;
  /** Files that the image's own server would read, and this one does not. */
  readonly configuration: readonly string[];
}

function page(title: string, text: string): string {
  return `<!DOCTYPE html>\n<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n${text}</body>\n</html>\n`;
}

const NGINX_CONFIGURATION = ["/etc/nginx/nginx.conf", "/etc/nginx/conf.d", "/etc/nginx/templates"];

/** By the last part of the image's name. */
export const SITES: Readonly<Record<string, WebSite>> = {
  nginx: {
    port: 80,
    directory: "/usr/share/nginx/html",
    welcome: page("Welcome to nginx!", "<p>A web server of the lab stands for this image.</p>\n"),
    serverName: "nginx",
    configuration: NGINX_CONFIGURATION,
  },
  "nginx-unprivileged": {
    port: 8080,
    directory: "/usr/share/nginx/html",
    welcome: page("Welcome to nginx!", "<p>A web server of the lab stands for this image.</p>\n"),
    serverName: "nginx",
    configuration: NGINX_CONFIGURATION,
  },
  httpd: {
    port: 80,
    directory: "/usr/local/apache2/htdocs",
    welcome: "<html><body><h1>It works!</h1></body></html>\n",
    serverName: "Apache",
    configuration: ["/usr/local/apache2/conf/httpd.conf"],
  },
};

/** The file of a path, and nothing outside the directory, also not by links. Undefined = there is none. */
async function fileFor(directory: string, path: string): Promise<{ path: string; stats: Stats } | undefined> {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (decoded.includes("\0")) return undefined;
  try {
    const root = await realpath(directory);
    let found = await realpath(resolve(root, `.${sep}${decoded}`));
    if (found !== root && !found.startsWith(root + sep)) return undefined;
    let stats = await stat(found);
    if (stats.isDirectory()) {
      found = await realpath(join(found, "index.html"));
      stats = await stat(found);
      if (!found.startsWith(root + sep)) return undefined;
    }
    return stats.isFile() ? { path: found, stats } : undefined;
  } catch {
    return undefined;
  }
}

async function answer(site: WebSite, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? "/", "http://web").pathname;
  response.on("finish", () => {
    const line = `${request.method} ${request.url} HTTP/${request.httpVersion}`;
    process.stdout.write(`${peerOf(request.socket)} "${line}" ${response.statusCode}\n`);
  });
  response.setHeader("Server", site.serverName);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { "content-type": "text/html" }).end(page("405 Not Allowed", ""));
    return;
  }
  const file = await fileFor(site.directory, path);
  if (file !== undefined) {
    response.setHeader("Content-Type", TYPES[extname(file.path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.stats.size);
    if (request.method === "HEAD") response.end();
    else pipeline(createReadStream(file.path), response, () => undefined);
    return;
  }
  const isWelcome = path === "/" || path === "/index.html";
  response.writeHead(isWelcome ? 200 : 404, { "content-type": "text/html" });
  response.end(isWelcome ? site.welcome : page("404 Not Found", ""));
}

/** Serves the files of a site's directory, and its welcome page where there are none. Resolves with the port. */
export async function serveSite(site: WebSite): Promise<{ readonly port: number; close(): void }> {
  for (const path of site.configuration.filter((file) => existsSync(file)))
    process.stderr.write(`${path} is not read: this server stands for the image, and serves ${site.directory}\n`);
  const server = createServer((request, response) => {
    answer(site, request, response).catch(() => response.destroy());
  });
  const port = await listen(server, site.port);
  return { port, close: () => server.close() };
}
