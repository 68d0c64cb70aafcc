/** Nanoseconds of processor time that `run` takes for each of its rows, once it is warm; over `seconds`. */
export function nanosecondsPerRow(run: () => void, { rows, seconds, warmMs }: { rows: number; seconds: number; warmMs: number }): number {
  runFor(warmMs, run)
  const start = process.cpuUsage()
  const count = runFor(seconds * 1000, run)
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / (count * rows)
}

/** How often it ran. */
function runFor(ms: number, run: () => void): number {
  const end = performance.now() + ms
  let count = 0
  for (; performance.now() < end; count++) run()
  return count
}
