// From the bus to ClickHouse: blocks of flows wait on an embedded bus, the enricher attributes and stores them, rollups included.
// Bus and enricher in this process, ClickHouse in another, on all cores there are.
// node test/benchmarks/store.ts [rows] [pods] [rows of an INSERT]
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrate } from '../../deploy/migrate.ts'
import { runEnricher } from '../../enricher/main.ts'
import { rowsPerBlock } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { objectKey } from '../../schema/object.ts'
import { nameTopic } from '../../schema/name.ts'
import { deadLetterTopic, kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { testService } from '../helpers/service.ts'
import { flowBlock, podVersions } from '../helpers/traffic.ts'
import { until } from '../helpers/wait.ts'

const rows = Number(process.argv[2] ?? 12_000_000)
const pods = Number(process.argv[3] ?? 2000)
const maxRows = Number(process.argv[4] ?? 400_000)
/** Two INSERTs at a time; batches are full, for one that is not would wait five seconds for more. */
const blocksPerBatch = 2 * Math.ceil(maxRows / rowsPerBlock)
const blocks = Math.ceil(rows / rowsPerBlock / blocksPerBatch) * blocksPerBatch
const log = openLog({ level: 'warn' })

const directory = await mkdtemp(path.join(tmpdir(), 'weir-bench-'))
{
  await using server = await openEmbeddedClickHouse({ dataDir: path.join(directory, 'clickhouse'), log })
  await using clickhouse = openClickHouse({ url: server.url })
  await migrate({ clickhouse, log })
  await using bus = await openEmbeddedBus({ path: path.join(directory, 'bus.sqlite'), log })
  for (const kind of Object.values(kinds)) await bus.ensureTopic(topicOf(kind), { compacted: Boolean(kind.replacing), maxBytes: 2 ** 33 })
  await bus.ensureTopic(deadLetterTopic, { awaitReaders: false })
  await bus.ensureTopic(nameTopic, { awaitReaders: false })
  for (const version of podVersions(pods))
    await bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [version])), key: objectKey(version) }])

  let bytes = 0
  const start = Date.now() * 1000 - 600_000_000
  for (let block = 0; block < blocks; block++) {
    const builder = flowBlock({ pods, rows: rowsPerBlock, claims: true, time: start + block * rowsPerBlock * 30 })
    const message = await blockMessage(builder, { collector: 'bench', run: 0, sequence: block })
    bytes += message.body.length
    await bus.publish(topicOf(kinds.flow), [message])
  }
  console.log(
    `${blocks} blocks of ${rowsPerBlock} flows, ${(bytes / blocks / rowsPerBlock).toFixed(1)} B a flow on the bus, ${pods} pods, INSERTs of ${maxRows}`,
  )

  const { context, stop } = testService()
  const cpu = process.cpuUsage()
  const server0 = await cpuOf(server.pid!)
  const began = performance.now()
  const running = runEnricher({ bus, clickhouse, options: { batch: { maxRows, maxWaitMs: 1000 } } }, context)
  const stored = async () => (await clickhouse.query<{ n: number }>('SELECT count() AS n FROM flow')).rows[0].n
  await until('all rows', async () => (await stored()) >= blocks * rowsPerBlock, { timeoutMs: 600_000, everyMs: 200 })
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const server1 = await cpuOf(server.pid!)
  const per = (cpuSeconds: number) => `${((cpuSeconds * 1e9) / (blocks * rowsPerBlock)).toFixed(0)} ns/row`
  console.log(`${Math.round((blocks * rowsPerBlock) / seconds).toLocaleString()} rows/s for ${seconds.toFixed(1)} s`)
  console.log(`CPU: enricher ${per((user + system) / 1e6)}, ClickHouse with merges ${per(server1 - server0)}`)
  const { rows: parts } = await clickhouse.query<{ table: string; bytes: number; rows: number }>(
    "SELECT table, sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts WHERE active AND database = 'weir' GROUP BY table ORDER BY table",
  )
  for (const part of parts) console.log(`${part.table}: ${part.rows} rows, ${(part.bytes / part.rows).toFixed(1)} B a row`)
  stop()
  await running.catch(() => {})
}
await rm(directory, { recursive: true, force: true })

/** CPU seconds of a process so far (proc(5), utime and stime in ticks of 10 ms). */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
