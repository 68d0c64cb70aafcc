import { keeperOf } from '../../../enricher/history/keep.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { connect } from '../../helpers/embedded-bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { horizon } from './churned.ts'

// A process to be killed: the path of a bus
const bus = await connect(process.argv[2])
const publish: typeof bus.publish = async (topic, messages, signal) => {
  for (const message of messages) await bus.publish(topic, [message], signal)
}
const topic = topicOf(kinds.object)
const { tellHorizon, sweep } = keeperOf(
  { bus: { ...bus, publish }, topic, log: quietLog, goneMs: 0, watchMs: 0 },
  new AbortController().signal,
)
process.stdout.write('begins\n')
await tellHorizon(horizon)
await sweep(horizon, 0)
