import { type ConfiguredCluster, clustersOf } from '../../../collectors/kubernetes/options.ts'
import { openApi } from '../../../collectors/kubernetes/api.ts'
import { ClockOffset } from '../../../collectors/kubernetes/clock.ts'
import { followCluster } from '../../../collectors/kubernetes/follow.ts'
import { type Timing, usualTiming } from '../../../collectors/kubernetes/reflector.ts'
import { Report } from '../../../collectors/kubernetes/report.ts'
import { openObjectLog } from '../../../collectors/objects.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import type { SourceStatus } from '../../../collectors/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import { openLog } from '../../../runtime/log.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'

export interface Collecting extends AsyncDisposable {
  log: string[]
  status(): SourceStatus | undefined
  discarded: Map<string, number>
}

/** Follows a cluster as the collector does, with times that suit a test. Ends at once, as when it is killed: nothing is tidied up. */
export async function collect(
  bus: Bus,
  options: Omit<ConfiguredCluster, 'setting' | 'name'>,
  timing: Partial<Timing> = {},
): Promise<Collecting> {
  const stop = new AbortController()
  const log: string[] = []
  const discarded = new Map<string, number>()
  const logger = openLog({ write: line => void log.push(line), pretty: false })
  const instruments = {
    received: () => {},
    sent: () => {},
    discarded: (count: number, reason: string) => void discarded.set(reason, (discarded.get(reason) ?? 0) + count),
  }
  const { signal } = stop
  const objects = openObjectLog({ bus, collector: 'test', log: logger, signal })
  const outbox = openPublisher({ bus, collector: 'test', log: logger, instruments, signal })
  let newest: SourceStatus | undefined
  const report = new Report(status => void (newest = status))
  const clock = new ClockOffset()
  const [cluster] = clustersOf({ cluster: 'test', ...options })
  const api = await openApi(cluster, (date, asked, answered) => clock.add(date, asked, answered))
  const running = followCluster(
    { name: 'test', api, clock, report: report.add('test', logger, clock), timing: { ...usualTiming, ...timing } },
    { outbox, objects, signal, log: logger, instruments, status: () => {} },
  ).catch(error => {
    if (!signal.aborted) throw error
  })
  return {
    log,
    discarded,
    status: () => newest,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
      api[Symbol.dispose]()
      await outbox[Symbol.asyncDispose]()
    },
  }
}

/** Follows what is on the bus: the newest of each version, as ClickHouse keeps it, and how many messages of each kind there were. */
export class Told implements AsyncDisposable {
  readonly versions = new Map<string, ObjectVersion>()
  readonly messages = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #following: Promise<void>

  constructor(bus: Bus) {
    this.#following = this.#follow(bus)
  }

  get heartbeat(): number {
    return this.of('cluster')[0]?.time ?? 0
  }

  of(kind: string): ObjectVersion[] {
    return [...this.versions.values()].filter(version => version.kind === kind)
  }

  open(kind: string): ObjectVersion[] {
    return this.of(kind).filter(({ valid_to }) => valid_to === openEnd)
  }

  async #follow(bus: Bus): Promise<void> {
    for await (const { messages } of bus.follow(topicOf(kinds.object), this.#stop.signal))
      for (const message of messages)
        for (const version of openBlock(message).records() as Iterable<ObjectVersion>) {
          this.versions.set(objectKey(version), version)
          const kind = version.kind ?? ''
          this.messages.set(kind, (this.messages.get(kind) ?? 0) + 1)
        }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#following
  }
}
