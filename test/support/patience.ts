/** Tests share two processors with labs and Go programs: what takes milliseconds may take seconds, and a fault is found all the same. */
import { vi } from "vitest";

const PATIENCE_MS = 15_000;
const { waitFor } = vi;
vi.waitFor = (check, options = PATIENCE_MS) => waitFor(check, options);
