import { describe, expect, test } from "vitest";
import { addProcessMetrics, exposition, MetricsServer, parseListenAddress, Registry } from "./index.ts";
import { numberText } from "./number-text.ts";

describe("a registry", () => {
  test("lists every line with labels and value, by name and labels", () => {
    const registry = new Registry();
    const seen = registry.counter({ name: "b_total", help: "h", labels: ["x", "y"] });
    seen.of("2", "").inc(3);
    seen.of("1", "z").inc();
    registry
      .histogram({ name: "a_seconds", help: "h", buckets: [1, 2] })
      .of()
      .observe(1.5);
    registry.collect(() => seen.of("1", "z").inc());
    expect(registry.metrics()).toEqual([
      { name: "a_seconds_bucket", labels: { le: "1" }, value: 0 },
      { name: "a_seconds_bucket", labels: { le: "2" }, value: 1 },
      { name: "a_seconds_bucket", labels: { le: "+Inf" }, value: 1 },
      { name: "a_seconds_sum", labels: {}, value: 1.5 },
      { name: "a_seconds_count", labels: {}, value: 1 },
      { name: "b_total", labels: { x: "1", y: "z" }, value: 2 },
      { name: "b_total", labels: { x: "2", y: "" }, value: 3 },
    ]);
  });

  test("refuses a name twice and a wrong number of values", () => {
    const registry = new Registry();
    const family = registry.counter({ name: "a_total", help: "h", labels: ["x"] });
    expect(() => registry.gauge({ name: "a_total", help: "h" })).toThrow("a_total is there already");
    expect(() => family.of()).toThrow("0 values of labels");
    registry.remove([family]);
    expect(() => registry.gauge({ name: "a_total", help: "h" })).not.toThrow();
  });

  test("keeps values apart whatever is in them", () => {
    const family = new Registry().counter({ name: "a_total", help: "h", labels: ["a", "b"] });
    family.of("1,b:2,", "3").inc();
    family.of("1", "2,,b:3").inc();
    expect([...family.all()].map(([, { value }]) => value)).toEqual([1, 1]);
  });

  test("counts what has no room, and has room again for what was removed", () => {
    const registry = new Registry();
    const family = registry.counter({ name: "a_total", help: "h", labels: ["x", "y"], mostSeries: 2 });
    family.of("1", "a").inc();
    family.of("2", "a").inc();
    family.of("3", "a").inc();
    family.of("3", "a").inc();
    const refused = { name: "shieldgate_metrics_series_refused_total", labels: { metric: "a_total" }, value: 2 };
    expect(registry.metrics().filter(({ name }) => name !== "a_total")).toEqual([refused]);
    expect(family.size).toBe(2);
    family.remove({ x: "1" });
    family.of("3", "a").inc();
    expect([...family.all()].map(([values, { value }]) => [...values, value])).toEqual([
      ["2", "a", 1],
      ["3", "a", 1],
    ]);
    family.remove({ y: "a" });
    expect(family.size).toBe(0);
    family.of("4", "b");
    family.remove({ z: "b" });
    expect(family.size).toBe(1);
  });
});

describe("the text", () => {
  const sample = () => {
    const registry = new Registry();
    const exemplar = { labels: { traceID: "ab" }, value: 1, timestamp: 12.5 };
    registry
      .counter({ name: "hits_total", help: "a\\b\nc", labels: ["path"] })
      .of('/"\\\n')
      .inc(1, exemplar);
    registry.gauge({ name: "none", help: "h", labels: ["x"] });
    const times = registry.histogram({ name: "t_seconds", help: "h", labels: ["x"], buckets: [0.5, 1] });
    times.of("é").observe(0.5, exemplar);
    times.of("é").observe(7);
    return registry;
  };

  test("of Prometheus", () => {
    expect(exposition(sample(), "prometheus")).toBe(
      [
        "# HELP hits_total a\\\\b\\nc",
        "# TYPE hits_total counter",
        'hits_total{path="/\\"\\\\\\n"} 1',
        "# HELP t_seconds h",
        "# TYPE t_seconds histogram",
        't_seconds_bucket{x="é",le="0.5"} 1',
        't_seconds_bucket{x="é",le="1"} 1',
        't_seconds_bucket{x="é",le="+Inf"} 2',
        't_seconds_sum{x="é"} 7.5',
        't_seconds_count{x="é"} 2',
        "",
      ].join("\n"),
    );
  });

  test.each([
    ["prometheus", "untyped", ""],
    ["openmetrics", "unknown", "# EOF\n"],
  ] as const)("of %s keeps the name of a counter without _total", (form, type, end) => {
    const registry = new Registry();
    registry.untypedCounter({ name: "hits_xx", help: "h" }).of().inc();
    expect(exposition(registry, form)).toBe(`# HELP hits_xx h\n# TYPE hits_xx ${type}\nhits_xx 1\n${end}`);
  });

  test("of OpenMetrics has exemplars", () => {
    expect(exposition(sample(), "openmetrics")).toBe(
      [
        "# HELP hits a\\\\b\\nc",
        "# TYPE hits counter",
        'hits_total{path="/\\"\\\\\\n"} 1 # {traceID="ab"} 1 12.5',
        "# HELP t_seconds h",
        "# TYPE t_seconds histogram",
        't_seconds_bucket{x="é",le="0.5"} 1 # {traceID="ab"} 1 12.5',
        't_seconds_bucket{x="é",le="1.0"} 1',
        't_seconds_bucket{x="é",le="+Inf"} 2',
        't_seconds_sum{x="é"} 7.5',
        't_seconds_count{x="é"} 2',
        "# EOF",
        "",
      ].join("\n"),
    );
  });
});

test.each([
  [0, "0"],
  [1, "1"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [1.5e-10, "1.5e-10"],
  [-2e-7, "-2e-07"],
  [1_000_000, "1000000"],
  [Infinity, "+Inf"],
])("the number %d is written %s", (value, text) => {
  expect(numberText(value)).toBe(text);
});

test("the server answers in the form that is asked for and allowed, and nothing but /metrics", async () => {
  const registry = new Registry();
  registry.counter({ name: "a_total", help: "h" }).of().inc();
  addProcessMetrics(registry, "cilium_");
  let allowed = false;
  const answered: number[] = [];
  const log: string[] = [];
  const server = new MetricsServer({
    registry,
    openMetrics: () => allowed,
    answered: (status) => answered.push(status),
    log: (message) => log.push(message),
  });
  await server.listen({ host: "127.0.0.1", port: 0 });
  const other = new MetricsServer({ registry, log: (message) => log.push(message) });
  await other.listen({ host: "127.0.0.1", port: server.port });
  expect(log[0]).toContain(`no metrics on 127.0.0.1:${server.port}`);
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { accept: "application/openmetrics-text" } });
  try {
    expect((await get("/metrics")).headers.get("content-type")).toContain("text/plain");
    allowed = true;
    const open = await get("/metrics");
    expect(open.headers.get("content-type")).toContain("application/openmetrics-text");
    const text = await open.text();
    expect(text).toContain("a_total 1\n");
    expect(Number(/^cilium_process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1e6);
    const begun = Number(/^cilium_process_start_time_seconds (\S+)$/m.exec(text)?.[1]);
    expect(Math.abs(begun - (Date.now() / 1000 - process.uptime()))).toBeLessThan(10);
    expect((await get("/")).status).toBe(404);
    expect(answered).toEqual([200, 200, 404]);
    const before = server.port;
    await server.listen(undefined);
    await expect(fetch(`http://127.0.0.1:${before}/metrics`)).rejects.toThrow();
  } finally {
    server.close();
  }
});

test("whoever asks without end gets the same text again, and costs a tenth of the time at most", async () => {
  const registry = new Registry();
  let made = 0;
  registry.collect(() => {
    const end = performance.now() + 50;
    while (performance.now() < end);
    made++;
  });
  const server = new MetricsServer({ registry, log: () => undefined });
  await server.listen({ host: "127.0.0.1", port: 0 });
  try {
    for (let times = 0; times < 5; times++) await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    expect(made).toBe(1);
    await expect.poll(async () => (await fetch(`http://127.0.0.1:${server.port}/metrics`)) && made).toBe(2);
  } finally {
    server.close();
  }
});

test.each([
  ["", undefined],
  [":9965", { port: 9965 }],
  ["127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
  ["[::1]:9965", { host: "::1", port: 9965 }],
])("the address %j", (text, address) => {
  expect(parseListenAddress(text)).toEqual(address);
});

test.each(["9965", ":", ":99999", "::1:80", "[::1]"])("no address: %j", (text) => {
  expect(() => parseListenAddress(text)).toThrow("write it like :9965");
});
