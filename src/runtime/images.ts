import { RuntimeError } from "./port.ts";

/** What runs for an image: a program of this machine instead of the image's layers. */
export interface Program {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Host files that the program needs besides /usr, and where the container sees them. */
  readonly files: readonly { readonly hostPath: string; readonly path: string }[];
}

export interface ImageCatalogue {
  /** Throws RuntimeError("InvalidImageName") or, when no program is known, RuntimeError("ErrImagePull"). */
  find(image: string): Program;
  /** Repositories with what runs for them, by name; the user's own first among equals. */
  list(): readonly { readonly image: string; readonly program: Program }[];
}

export interface ImageCatalogueOptions {
  /** The node binary that runs server programs. */
  readonly nodePath: string;
  /** Directory of the bundles that stand for images. */
  readonly distDirectory: string;
  /** Programs that the user added, by repository, as they are now: they go before the lab's own. Throws RuntimeError when they cannot be read. */
  readonly own?: () => ReadonlyMap<string, Program>;
}

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;
const DOCKER_HUB = "docker.io";

function invalid(image: string): RuntimeError {
  return new RuntimeError(
    "InvalidImageName",
    `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`,
  );
}

function isDomain(part: string): boolean {
  return part.includes(".") || part.includes(":") || part === "localhost";
}

/**
 * The repository of an image reference, with the registry and the `library/` that short names leave out:
 * `busybox:1.36` is `docker.io/library/busybox`. Throws RuntimeError("InvalidImageName").
 */
export function repositoryOf(image: string): string {
  const [name, digest, ...more] = image.split("@");
  if (name === undefined || more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) throw invalid(image);
  const colon = name.lastIndexOf(":");
  const tagged = colon > name.lastIndexOf("/");
  if (tagged && !TAG.test(name.slice(colon + 1))) throw invalid(image);
  const repository = tagged ? name.slice(0, colon) : name;
  const [first = "", ...rest] = repository.split("/");
  const named = rest.length > 0 && isDomain(first);
  const domain = named ? first : DOCKER_HUB;
  const path = named ? rest.join("/") : repository;
  if (!DOMAIN.test(domain) || !PATH.test(path)) throw invalid(image);
  return domain === DOCKER_HUB && !path.includes("/") ? `${domain}/library/${path}` : `${domain}/${path}`;
}

/** Images whose use is their tools: this machine's /usr stands for their file system. */
const TOOL_IMAGES = [
  "docker.io/library/busybox",
  "docker.io/library/alpine",
  "docker.io/library/debian",
  "docker.io/library/ubuntu",
  "docker.io/library/bash",
  "docker.io/nicolaka/netshoot",
  "quay.io/cilium/alpine-curl",
  "quay.io/quay/busybox",
  "registry.k8s.io/e2e-test-images/busybox",
  "registry.k8s.io/e2e-test-images/jessie-dnsutils",
];

const CURL_IMAGES = ["docker.io/curlimages/curl", "quay.io/curl/curl"];
const SLEEPERS = ["quay.io/cilium/json-mock", "registry.k8s.io/pause"];
/** Tests call it by its path, too. */
const AGNHOST = "agnhost.mjs";
/** Servers and clients of `src/programs`, each by its bundle and what it is told to be. */
const SERVERS: readonly (readonly [image: string, bundle: string, ...words: string[]])[] = [
  ["quay.io/cilium/starwars", "starwars.mjs"],
  ["docker.io/cilium/starwars", "starwars.mjs"],
  ["docker.io/shieldgate/coredns", "coredns.mjs"],
  ["registry.k8s.io/e2e-test-images/agnhost", AGNHOST],
  ["k8s.gcr.io/e2e-test-images/agnhost", AGNHOST],
  ["docker.io/library/nginx", "web.mjs", "nginx"],
  ["registry.k8s.io/nginx-slim", "web.mjs", "nginx"],
  ["registry.k8s.io/e2e-test-images/nginx", "web.mjs", "nginx"],
  ["docker.io/nginxinc/nginx-unprivileged", "web.mjs", "nginx-unprivileged"],
  ["docker.io/library/httpd", "web.mjs", "httpd"],
  ["registry.k8s.io/e2e-test-images/httpd", "web.mjs", "httpd"],
  ["docker.io/shieldgate/echo", "echo.mjs", "echo"],
  ["docker.io/ealen/echo-server", "echo.mjs", "echo", "80"],
  ["docker.io/hashicorp/http-echo", "echo.mjs", "http-echo"],
  ["docker.io/traefik/whoami", "echo.mjs", "whoami"],
  ["gcr.io/google-samples/hello-app", "echo.mjs", "hello-app"],
  ["us-docker.pkg.dev/google-samples/containers/gke/hello-app", "echo.mjs", "hello-app"],
  ["docker.io/kennethreitz/httpbin", "echo.mjs", "httpbin"],
  ["docker.io/mccutchen/go-httpbin", "echo.mjs", "httpbin", "8080"],
];
/** On the path of every container, after the machine's own programs. */
export const TOOLS_IN_POD = "/opt/shieldgate/tools";
const NODE_IN_POD = "/opt/shieldgate/bin/node";
/** A server pod is small: one young-generation page, no compiler threads. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--single-threaded-gc", "--v8-pool-size=0"];

/** Programs of this machine's /usr, and busybox for the small tools that it lacks. */
function tools(
  { distDirectory }: ImageCatalogueOptions,
  command: readonly string[],
  entrypoint: readonly string[] = [],
): Program {
  return { entrypoint, command, files: [{ hostPath: `${distDirectory}/tools`, path: TOOLS_IN_POD }] };
}

/** A bundle in a pod. Shells and small tools are there too, for those who look into it. */
function bundle(options: ImageCatalogueOptions, name: string, words: readonly string[]): Program {
  const path = `/opt/shieldgate/${name}`;
  return {
    entrypoint: [NODE_IN_POD, ...NODE_FLAGS, path, ...words],
    command: [],
    files: [
      { hostPath: options.nodePath, path: NODE_IN_POD },
      { hostPath: `${options.distDirectory}/${name}`, path },
      ...(name === AGNHOST ? [{ hostPath: `${options.distDirectory}/../bin/agnhost-in-pod`, path: "/agnhost" }] : []),
    ],
  };
}

/** A program in a word or two, for people: the bundle or the command. */
export function wordsOf({ entrypoint, command }: Program): string {
  const words = [...entrypoint, ...command];
  const bundled = words.findIndex((word) => word.startsWith("/opt/shieldgate/") && word.endsWith(".mjs"));
  if (bundled === -1) return words.join(" ");
  const [path = "", ...rest] = words.slice(bundled);
  return [path.slice("/opt/shieldgate/".length, -".mjs".length), ...rest].join(" ");
}

/** The images a lab knows, by repository; any tag or digest of one is the same program. */
export function createImageCatalogue(options: ImageCatalogueOptions): ImageCatalogue {
  const programs = new Map<string, Program>([
    ...SERVERS.map(([image, name, ...words]) => [image, bundle(options, name, words)] as const),
    ...SLEEPERS.map((name) => [name, tools(options, ["sleep", "infinity"])] as const),
    ...CURL_IMAGES.map((name) => [name, tools(options, [], ["curl"])] as const),
    ...TOOL_IMAGES.map((name) => [name, tools(options, ["sh"])] as const),
  ]);
  const all = () => new Map([...programs, ...(options.own?.() ?? [])]);
  return {
    find(image) {
      const repository = repositoryOf(image);
      const program = all().get(repository);
      if (program !== undefined) return program;
      throw new RuntimeError(
        "ErrImagePull",
        `no program of this lab stands for image "${image}"; \`shieldgate images\` lists those that are known, and says how to add ${repository}`,
      );
    },
    list: () => [...all()].map(([image, program]) => ({ image, program })).sort((a, b) => (a.image < b.image ? -1 : 1)),
  };
}
