// What it takes to poll a real SPIRE server: time and memory of a poll, and of what it is compared with.
// node --expose-gc test/benchmarks/spire.ts [entries] [polls]
import { Ledger } from '../../collectors/spire/ledger.ts'
import { readServer } from '../../collectors/spire/server.ts'
import { readSnapshot } from '../../collectors/spire/versions.ts'
import { parseAddress } from '../../collectors/address.ts'
import { IdentityTable } from '../../enricher/tables/identities.ts'
import { openSpire } from '../helpers/spire.ts'

const count = Number(process.argv[2] ?? 10_000)
const polls = Number(process.argv[3] ?? 8)

await using server = await openSpire()
const address = parseAddress(server.address, 'address')
const { signal } = new AbortController()
const batch = 1000
const start = performance.now()
for (let from = 0; from < count; from += batch)
  await server.create(
    ...Array.from({ length: Math.min(batch, count - from) }, (_, i) => ({
      id: `/ns/team-${(from + i) % 200}/sa/app-${from + i}`,
      selectors: [`k8s:ns:team-${(from + i) % 200}`, `k8s:sa:app-${from + i}`, `k8s:pod-label:app:app-${from + i}`],
    })),
  )
console.log(`${count} entries made in ${((performance.now() - start) / 1000).toFixed(0)} s`)

const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
const ledger = new Ledger([])
const heapBefore = process.memoryUsage().heapUsed
for (let poll = 0; poll < polls; poll++) {
  const began = performance.now()
  const cpu = process.cpuUsage()
  const snapshot = await readServer(address, undefined, signal)
  const read = performance.now()
  const { seen } = readSnapshot(snapshot, 'east')
  const { versions } = ledger.take(seen, { began: Date.now() * 1000, ended: Date.now() * 1000 })
  const compared = performance.now()
  const { user, system } = process.cpuUsage(cpu)
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const times = `asked ${(read - began).toFixed(0)} ms, compared ${(compared - read).toFixed(0)} ms, ${((user + system) / 1000).toFixed(0)} ms of CPU`
  console.log(`poll ${poll}: ${times}, ${versions.length} versions, heap ${megabytes(heapUsed - heapBefore)} MB, RSS ${megabytes(rss)} MB`)
  if (poll === 0) {
    const table = new IdentityTable()
    const from = performance.now()
    for (const version of versions) table.add(version)
    console.log(`the enricher takes them in ${(performance.now() - from).toFixed(0)} ms`)
  }
}
