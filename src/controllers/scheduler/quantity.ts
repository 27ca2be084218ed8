const BINARY: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const DECIMAL: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
};

/** A Kubernetes quantity as a number: `250m` is 0.25, `64Mi` is 67108864; 0 when it is absent or none. */
export function quantity(value: unknown): number {
  const match = /^([+-]?[\d.]+)(?:([KMGTPE]i)|([numkMGTPE]?)|[eE]([+-]?\d+))$/.exec(String(value ?? ""));
  if (!match) return 0;
  const [, digits, binary, decimal, exponent] = match;
  const scale = binary ? BINARY[binary]! : exponent ? 10 ** Number(exponent) : DECIMAL[decimal ?? ""]!;
  return Number(digits) * scale;
}
