import { expect, test } from "vitest";
import { createImageCatalogue, repositoryOf } from "./images.ts";
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
  expect(reasonOf("nginx:1.27")).toBe("ErrImagePull");
  expect(() => catalogue.find("nginx")).toThrow(/"nginx"; known are .*quay\.io\/cilium\/starwars/);
});

test("a server image brings its interpreter and its bundle", () => {
  const program = catalogue.find("quay.io/cilium/starwars:latest");
  expect(program.files.map((file) => file.hostPath)).toEqual(["/n/node", "/d/starwars.mjs"]);
  expect(program.entrypoint.at(-1)).toBe("/opt/shieldgate/starwars.mjs");
});
