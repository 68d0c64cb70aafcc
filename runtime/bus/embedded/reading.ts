import type { Bus, Delivered } from '../bus.ts'
import type { Topic } from './topic.ts'
import type { Wake } from './wake.ts'

const headersAtOnce = 64
const bytesAtOnce = 8 << 20

export async function* recent(topic: Topic, wanted: Parameters<Bus['recent']>[1]): AsyncGenerator<Delivered> {
  for (let offset = Number.MAX_SAFE_INTEGER; ;) {
    const rows = topic.before(offset, headersAtOnce)
    for (const { offset, time, headers } of rows) {
      const answer = wanted(JSON.parse(headers) as Record<string, string>, time)
      if (answer === 'stop') return
      const message = answer && topic.one(offset)
      if (message) yield message
    }
    if (!rows.length) return
    offset = rows.at(-1)!.offset
  }
}

export async function* follow(topic: Topic, signal: AbortSignal, wake: Wake) {
  const end = topic.state().next
  let caughtUp = false
  for (let next = 0; !signal.aborted;) {
    const since = wake.version()
    const messages = topic.from(next, bytesAtOnce)
    next = messages.length ? messages.at(-1)!.offset + 1 : next
    const reached = next >= end || !messages.length
    if (messages.length || !caughtUp) yield { messages, caughtUp: reached }
    caughtUp ||= reached
    if (!messages.length) await wake.changed(since, 60_000, signal)
  }
}
