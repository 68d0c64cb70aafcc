import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Intake, type Stream } from '../../../collectors/access_log/intake.ts'
import { followStream } from '../../../collectors/access_log/stdin.ts'
import type { Source } from '../../../collectors/source.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { published, start } from '../hubble/running.ts'
import { istioLine, numberOfId } from './lines.ts'

/** The source, with a stream in place of the standard input. */
const ofStream = (input: Readable): Source<object> => ({
  name: 'access_log',
  about: '',
  options: {},
  async run(_options, context) {
    const intake = new Intake({}, 4096, context)
    await followStream(input, intake.newStream({ source: 'access_log', cluster: '', received: 0 }), intake, context.signal, 4096)
  },
})

test('lines of a stream are read however they are cut, to the last one, and one without end is counted', async t => {
  await using bus = await openTestBus()
  const text = Array.from({ length: 50 }, (_, index) => istioLine(index)).join('\n') + `\n${'x'.repeat(10_000)}\n${istioLine(50)}`
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / 97) }, (_, index) => bytes.subarray(index * 97, index * 97 + 97))
  await using running = start(ofStream(Readable.from(chunks)), {}, bus.bus)
  await until('all lines', async () => (await published(bus.bus, 'request')).length === 51)
  t.deepEqual(
    (await published(bus.bus, 'request')).map(row => numberOfId(String(row.request_id))),
    Array.from({ length: 51 }, (_, index) => index),
  )
  t.is(running.discarded.get('too_large'), 1)
})

test('told to stop before it begins, it waits for no line', async t => {
  const input = new Readable({ read() {} })
  const following = followStream(input, {} as Stream, {} as Intake, AbortSignal.abort(), 4096).then(() => 'ended')
  t.is(await Promise.race([following, sleep(3000, 'waits')]), 'ended')
  t.true(input.destroyed)
})
