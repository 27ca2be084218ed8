import { describe, expect, it } from "vitest";
import { DnsType } from "../wire/dns.ts";
import { nameOf } from "../wire/dns-name.ts";
import { WorldNames } from "./world-names.ts";

const both = new WorldNames({ ipv6: true });
const typesOf = (name: string, world = both) =>
  world.lookup(nameOf(name))?.map(({ data }) => (data.type === "raw" ? 0 : DnsType[data.type]));

describe("names of the world", () => {
  it("have one address a family, always the same and in the ranges for tests", () => {
    const [v4, v6] = both.lookup(nameOf("Jobs.StarWars.com"))!;
    expect(v4!.data).toEqual(both.lookup(nameOf("jobs.starwars.com"))![0]!.data);
    expect(v4!.data).toMatchObject({ type: "A", address: expect.stringMatching(/^198\.1[89]\.\d+\.\d+$/) });
    const { address } = v6!.data as { address: Uint8Array };
    expect([...address.subarray(0, 4)]).toEqual([0x20, 0x01, 0x0d, 0xb8]);
    expect(typesOf("jobs.starwars.com", new WorldNames({ ipv6: false }))).toEqual([DnsType.A]);
  });
  it("mostly differ in their addresses, none of which ends in 0 or 255", () => {
    const texts = Array.from({ length: 1000 }, (_, index) => {
      const { data } = both.lookup(nameOf(`host-${index}.example.com`))![0]!;
      return data.type === "A" ? data.address : "";
    });
    expect(new Set(texts).size).toBeGreaterThan(980);
    expect(texts.filter((text) => /\.(0|255)$/.test(text))).toEqual([]);
  });
  it.each([
    "com",
    "host",
    "",
    "a.invalid",
    "printer.local",
    "x.localhost",
    "1.2.3.4.in-addr.arpa",
    "-a.com",
    "a b.com",
  ])("stand for nothing: %j", (name) => {
    expect(both.lookup(nameOf(name))).toBeUndefined();
  });
});
