const HISTOGRAM_PARTS = /_(?:bucket|sum|count)$/;

/**
 * What Prometheus' text form forbids or `promtool check metrics` complains about, a line a fault: a HELP and a TYPE of each family once and
 * before its series, series of a family together and each once, counters that end in `_total` and nothing else that does, histograms that
 * grow to `+Inf`, which is their count.
 */
export function expositionFaults(text: string): string[] {
  const faults: string[] = [];
  const families = new Map<string, string>();
  const series = new Set<string>();
  const helped = new Set<string>();
  const counted = new Map<string, number>();
  let family = "";
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === "HELP") {
      if (helped.has(name)) faults.push(`${name}: a second HELP`);
      helped.add(name);
    } else if (kind === "TYPE") {
      if (families.has(name)) faults.push(`${name}: a second TYPE`);
      if (!helped.has(name)) faults.push(`${name}: no HELP`);
      if (rest !== "untyped" && (rest === "counter") !== name.endsWith("_total"))
        faults.push(`${name}: named as no ${rest}`);
      families.set(name, rest);
      family = name;
    } else faults.push(...seriesFaults(line, family, families.get(family), series, counted));
  }
  return faults;
}

function seriesFaults(
  line: string,
  family: string,
  type: string | undefined,
  series: Set<string>,
  counted: Map<string, number>,
): string[] {
  const [, name = "", labels = "", value = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === "" || Number.isNaN(Number(value.replace("Inf", "Infinity")))) return [`${line}: is no series`];
  const key = `${name}{${labels}}`;
  if (series.has(key)) return [`${key}: a second time`];
  series.add(key);
  const isPart = type === "histogram" && name.replace(HISTOGRAM_PARTS, "") === family;
  if (name !== family && !isPart) return [`${key}: among ${family}`];
  if (!isPart) return [];
  const who = `${family}{${labels.replace(/,?le="[^"]*"/, "")}}`;
  const last = counted.get(who) ?? 0;
  if (name.endsWith("_bucket")) counted.set(who, Number(value));
  const isWrong = name.endsWith("_bucket") ? Number(value) < last : name.endsWith("_count") && Number(value) !== last;
  return isWrong ? [`${key}: ${value} after ${last}`] : [];
}
