import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { collectMetrics, startTelemetry } from '../../../runtime/telemetry.ts'
import { assigned, readAll } from '../../contracts/bus.ts'
import { connect, start } from '../../helpers/embedded-bus.ts'

startTelemetry()

const values = async () =>
  Object.fromEntries(
    (await collectMetrics()).flatMap(({ name, points }) =>
      points.map(({ labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
    ),
  )

test('what is published, delivered, removed and waits can be seen', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  const body = new Uint8Array(998)
  await bus.ensureTopic('t', { maxBytes: 2_000 })
  await bus.publish('t', [
    { headers: {}, body },
    { headers: {}, body },
  ])
  const waiting = bus.publish('t', [{ headers: {}, body }])
  await sleep(50)
  t.is((await values())['weir.bus.publishers.waiting t'], 1)
  await assigned(bus, 't', 'g', async assignment => {
    await readAll(assignment, 2)
    await assignment.commit({ offset: 2, metadata: '' })
  })
  await waiting
  t.like(await values(), {
    'weir.bus.messages.published t': 3,
    'weir.bus.bytes.published t': 3_000,
    'weir.bus.messages.delivered t g': 2,
    'weir.bus.messages.removed t size': 1,
    'weir.bus.bytes.removed t size': 1_000,
    'weir.bus.publishers.waiting t': 0,
  })
})
