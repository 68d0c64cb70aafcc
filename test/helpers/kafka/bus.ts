import { type KafkaBusOptions, openKafkaBus } from '../../../runtime/bus/kafka.ts'
import { openLog } from '../../../runtime/log.ts'

const silent = openLog({ write: () => {} })

/** What the tests make topics with, on so many brokers. */
export const defaultsFor = (brokers: number) => ({ partitions: 1, replication: brokers, maxMessageBytes: 16 << 20 })

/** `where` lists the brokers. A consumer that is gone is noticed after three seconds. */
export const connect = async (where: string, options: Partial<KafkaBusOptions> = {}) => {
  const brokers = where.split(',')
  return openKafkaBus({ brokers, log: silent, create: defaultsFor(brokers.length), sessionMs: 3_000, ...options })
}
