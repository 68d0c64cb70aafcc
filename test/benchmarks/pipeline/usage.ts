import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** What a process has used so far. */
export interface Usage {
  /** Seconds of CPU. */
  cpu: number
  /** Resident megabytes. */
  rss: number
}

/** proc(5): utime and stime are fields 14 and 15, rss in pages is 24. */
export function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return { cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, rss: Math.round((Number(fields[21]) * 4096) / 1e6) }
}

/** The machine in a line, for what is saved. */
export function machine(): string {
  const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor'
  const cores = readFileSync('/proc/cpuinfo', 'utf8').match(/^processor/gm)?.length
  const memory = Math.round(Number(/MemTotal:\s*(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 2 ** 20)
  return `${cores} cores (${model.trim()}), ${memory} GB, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
}
