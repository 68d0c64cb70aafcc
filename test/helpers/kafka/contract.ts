import test from 'ava'
import { busContract } from '../../contracts/bus.ts'
import { type Brokers, startBrokers, whyNoKafka } from './broker.ts'
import { connect } from './bus.ts'

/** Tries what every bus promises on so many brokers, which all promises share: each has a topic of its own. */
export async function kafkaContract(name: string, nodes: number): Promise<void> {
  const missing = await whyNoKafka()
  if (missing) return skipped(name, missing)
  let shared: Promise<Brokers> | undefined
  const start = async () => {
    const { addresses } = await (shared ??= startBrokers({ nodes }))
    return { where: addresses.join(), async [Symbol.asyncDispose]() {} }
  }
  busContract({ name, start, connect, module: new URL('bus.ts', import.meta.url), takeoverMs: 8_000 })
  test.after.always(async () => (await shared)?.[Symbol.asyncDispose]())
}

/** One line for those who have no Java; a failure where nothing may be left out. */
export function skipped(name: string, missing: string): void {
  test(`${name}: has a broker to be tried on`, t => {
    t.log(`skipped: ${missing}`)
    if (process.env.CI) t.fail(missing)
    else t.pass()
  })
}
