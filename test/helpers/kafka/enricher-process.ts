import { runEnricher } from '../../../enricher/main.ts'
import { openClickHouse } from '../../../runtime/clickhouse/client.ts'
import { openLog } from '../../../runtime/log.ts'
import { stopSignal } from '../../../runtime/service.ts'
import { connect } from './bus.ts'

// An enricher in a process of its own, to be stopped or killed: brokers, ClickHouse, database
const [brokers, url, database] = process.argv.slice(2)
const log = openLog({ level: 'error' })
const bus = await connect(brokers, { log })
const clickhouse = openClickHouse({ url, database })
const options = { batch: { maxRows: 300, maxParts: 2, maxWaitMs: 50 } }
const signal = stopSignal()
await runEnricher({ bus, clickhouse, options }, { log, signal, status: () => {}, statuses: () => ({}) }).catch(error => {
  if (!signal.aborted) throw error
})
await bus[Symbol.asyncDispose]()
process.exit()
