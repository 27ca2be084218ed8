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
}

export interface ImageCatalogueOptions {
  /** The node binary that runs server programs. */
  readonly nodePath: string;
  /** Directory of the bundles `starwars.mjs` and `coredns.mjs`. */
  readonly distDirectory: string;
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

function bundle(options: ImageCatalogueOptions, name: string): Program {
  const path = `/opt/shieldgate/${name}`;
  return {
    entrypoint: [NODE_IN_POD, ...NODE_FLAGS, path],
    command: [],
    files: [
      { hostPath: options.nodePath, path: NODE_IN_POD },
      { hostPath: `${options.distDirectory}/${name}`, path },
    ],
  };
}

/** The images a lab knows, by repository; any tag or digest of one is the same program. */
export function createImageCatalogue(options: ImageCatalogueOptions): ImageCatalogue {
  const programs = new Map<string, Program>([
    ["quay.io/cilium/starwars", bundle(options, "starwars.mjs")],
    ["docker.io/cilium/starwars", bundle(options, "starwars.mjs")],
    ["docker.io/shieldgate/coredns", bundle(options, "coredns.mjs")],
    ...SLEEPERS.map((name) => [name, tools(options, ["sleep", "infinity"])] as const),
    ...CURL_IMAGES.map((name) => [name, tools(options, [], ["curl"])] as const),
    ...TOOL_IMAGES.map((name) => [name, tools(options, ["sh"])] as const),
  ]);
  return {
    find(image) {
      const program = programs.get(repositoryOf(image));
      if (program !== undefined) return program;
      throw new RuntimeError(
        "ErrImagePull",
        `no program of this lab stands for image "${image}"; known are ${[...programs.keys()].sort().join(", ")} (any tag)`,
      );
    },
  };
}
