/** Processor time of this process so far, in milliseconds: how much work something is, however busy the machine. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
