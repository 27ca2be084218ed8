import { expect, test } from "vitest";
import { createImageCatalogue, repositoryOf, wordsOf } from "./images.ts";
import { parseOwnImages } from "./own-images.ts";
import type { RuntimeError } from "./port.ts";

const catalogue = createImageCatalogue({ nodePath: "/n/node", distDirectory: "/d" });

function reasonOf(image: string): string {
  try {
    catalogue.find(image);
    return "found";
  } catch (error) {
    return (error as RuntimeError).reason;
  }
}

test.each([
  ["busybox", "docker.io/library/busybox"],
  ["busybox:1.36", "docker.io/library/busybox"],
  ["curlimages/curl", "docker.io/curlimages/curl"],
  ["docker.io/busybox", "docker.io/library/busybox"],
  ["localhost:5000/a/b:v1", "localhost:5000/a/b"],
  [`quay.io/cilium/starwars:v2.1@sha256:${"a".repeat(64)}`, "quay.io/cilium/starwars"],
])("%s is repository %s", (image, repository) => {
  expect(repositoryOf(image)).toBe(repository);
});

test.each(["", "UPPER", "a b", "busybox:", "busybox:-", "a@b", "x/", "/x", "busybox@sha256:12", "a@sha256:b@c"])(
  "%j is an invalid image name",
  (image) => {
    expect(reasonOf(image)).toBe("InvalidImageName");
  },
);

test("an unknown image says what exists", () => {
  expect(reasonOf("redis:7")).toBe("ErrImagePull");
  expect(() => catalogue.find("redis")).toThrow(
    /"redis"; `shieldgate images` lists .* how to add docker\.io\/library\/redis/,
  );
});

test("a server image brings its interpreter and its bundle", () => {
  const program = catalogue.find("quay.io/cilium/starwars:latest");
  expect(program.files.map((file) => file.hostPath)).toEqual(["/n/node", "/d/starwars.mjs"]);
  expect(program.entrypoint.at(-1)).toBe("/opt/shieldgate/starwars.mjs");
});

test("an image with words of its own is told them before the pod's", () => {
  const { entrypoint } = catalogue.find("hashicorp/http-echo");
  expect(entrypoint.slice(-2)).toEqual(["/opt/shieldgate/echo.mjs", "http-echo"]);
  expect(wordsOf(catalogue.find("httpd"))).toBe("web httpd");
  expect(wordsOf(catalogue.find("busybox"))).toBe("sh");
});

test("the user's own images go before the lab's, and are listed with them", () => {
  const own = parseOwnImages(
    "- {image: 'nginx:1', command: [my-nginx, -g]}\n- {image: a.b/c, command: [x]}",
    "images.yaml",
  );
  const mixed = createImageCatalogue({ nodePath: "/n/node", distDirectory: "/d", own: () => own });
  expect(mixed.find("nginx:1.27").entrypoint).toEqual(["my-nginx", "-g"]);
  const listed = mixed.list().map(({ image }) => image);
  expect(listed).toEqual(listed.toSorted());
  expect(listed).toContain("a.b/c");
});

test.each([
  ["image: x", "images.yaml: a list is wanted"],
  ["- x", "entry 1: image and command are wanted"],
  ["- {image: x}", "entry 1: command: a list of words"],
  ["- {image: x, command: []}", "entry 1: command: a list of words"],
  ["- {image: x, command: [a], ports: [1]}", "entry 1: there is no field ports"],
  ["- {image: x, command: [a], files: {/a: b}}", "entry 1: files./a: both paths must begin with /"],
  ["- {image: x, command: [a], files: {/a: /no/such}}", "entry 1: files./a: there is no /no/such"],
  ["- {image: X Y, command: [a]}", "invalid reference format"],
  ["- {image: x, command: [a", "Flow sequence"],
])("a file of images with %j is refused with the entry and the mend", (text, why) => {
  expect(() => parseOwnImages(text, "images.yaml")).toThrow(why);
});
