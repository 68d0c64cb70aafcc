import { readFile } from 'node:fs/promises'
import type { Loss } from './losses.ts'
import type { Listening } from './receiver.ts'

const files = ['/proc/net/udp', '/proc/net/udp6']

/** Reads how many datagrams the kernel dropped, by port, as their sockets' buffers were full. Nothing where the kernel is no Linux. */
export async function readKernelDrops(ports: ReadonlySet<number>): Promise<Map<number, number>> {
  const tables = await Promise.all(files.map(file => readFile(file, 'utf8').catch(() => '')))
  const drops = new Map<number, number>()
  for (const table of tables)
    for (const [port, count] of dropsOf(table)) if (ports.has(port)) drops.set(port, (drops.get(port) ?? 0) + count)
  return drops
}

/** The lines of a table: `sl local_address rem_address … drops`, addresses and ports in hexadecimal. */
export function dropsOf(table: string): [port: number, drops: number][] {
  return table
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(columns => columns.length > 10)
    .map(columns => [Number.parseInt(columns[1].split(':')[1], 16), Number(columns[columns.length - 1])])
}

/** Datagrams the kernel dropped since the last time, as losses. How many records were in them nobody knows. */
export class KernelDrops {
  readonly #listening: readonly Listening[]
  readonly #read: typeof readKernelDrops
  #before: Map<number, number> | undefined
  #since = Date.now() * 1000

  constructor(listening: readonly Listening[], read = readKernelDrops) {
    this.#listening = listening
    this.#read = read
  }

  async poll(): Promise<Loss[]> {
    const now = await this.#read(new Set(this.#listening.map(({ port }) => port)))
    // Sockets of others may have the port at another address: only what grows counts.
    const before = this.#before ?? now
    this.#before = now
    const [since, until] = [this.#since, (this.#since = Date.now() * 1000)]
    return this.#listening.map(({ name, port, receiveBuffer, keptBytes }) => {
      const count = Math.max(0, (now.get(port) ?? 0) - (before.get(port) ?? 0))
      const detail = `${count} datagrams to port ${port}; the kernel keeps ${keptBytes} bytes of ${receiveBuffer} asked for`
      return { source: name, reporter: '', stage: 'collector', reason: 'receive_buffer_full', count, known: false, since, until, detail }
    })
  }
}
