/** Processor time that a run takes, nanoseconds. */
export function timed(run: () => void): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) * 1000
}
