import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../../runtime/bus/bus.ts'

// A process of its own on a bus, to be killed or stopped: module where role topic
const [module, where, role, topic] = process.argv.slice(2)
const { connect } = (await import(module)) as { connect(where: string): Promise<Bus> }
const bus = await connect(where)

const say = (line: string) => process.stdout.write(line + '\n')

/** Publishes calls of four messages until it is killed. Says each call that was acknowledged. */
async function publish() {
  for (let n = 0; ; n++) {
    const headers = { call: `${process.pid}-${n}`, byte: String(n % 256) }
    await bus.publish(topic, Array(4).fill({ headers, body: new Uint8Array(30_000).fill(n) }))
    say(headers.call)
  }
}

/** Takes the partition, and says what becomes of it. */
async function hold() {
  await bus.subscribe(topic, 'g', async ({ signal, commit }) => {
    say('holding')
    await sleep(100)
    // It may have been stopped before this, and its time be over.
    if (signal.aborted) say('aborted')
    else signal.addEventListener('abort', () => say('aborted'))
    try {
      for (;;) {
        await commit({ offset: 0, metadata: '' })
        await sleep(50)
      }
    } catch {
      say('commit rejected')
    }
    await sleep(60_000)
  })
}

await (role === 'publish' ? publish() : hold())
