import type { Bus } from '../runtime/bus/bus.ts'
import { meter } from '../runtime/telemetry.ts'
import type { Clocks } from './tables/clocks.ts'
import type { IdentityTable } from './tables/identities.ts'
import type { ObjectTable } from './tables/objects.ts'

/** Shows in the metrics how many versions of objects the tables hold. */
export function observeObjects(objects: ObjectTable): void {
  meter()
    .createObservableGauge('weir.enricher.objects', { description: 'Versions of objects in the tables.', unit: '{object}' })
    .addCallback(result => result.observe(objects.versions))
}

const mostClocks = 20

/** Shows in the metrics how far objects are known, what that made wait, and which clocks are wrong. */
export function observeAttribution(objects: ObjectTable, clocks: Pick<Clocks, 'ahead'>) {
  const behind = meter().createObservableGauge('weir.enricher.objects.behind', {
    description: 'How long ago all was known that is told of the objects of a cluster.',
    unit: 's',
  })
  behind.addCallback(result => {
    for (const [cluster, { time }] of objects.heartbeats.clusters) result.observe(Math.max(0, Date.now() - time / 1000) / 1000, { cluster })
  })
  const ahead = meter().createObservableGauge('weir.enricher.clock.ahead', {
    description: `By how much the clock of a reporter is ahead at least: the ${mostClocks} of which it is most.`,
    unit: 's',
  })
  ahead.addCallback(result => {
    for (const { ahead, ...labels } of clocks.ahead(mostClocks)) result.observe(ahead / 1e6, labels)
  })
  const waits = meter().createCounter('weir.enricher.objects.waited', {
    description: 'How long blocks waited for objects, by whether these came in time.',
    unit: 'ms',
  })
  const provisional = meter().createCounter('weir.enricher.records.provisional', {
    description: 'Records of which an end may become known better.',
    unit: '{record}',
  })
  const forgotten = meter().createCounter('weir.enricher.records.before_history', {
    description: 'Records from before all that is still known of objects, whose ends cannot be told surely.',
    unit: '{record}',
  })
  return {
    waited: (ms: number, reached: boolean) => waits.add(ms, { reached: String(reached) }),
    counters: {
      provisional: (count: number, kind: string) => provisional.add(count, { kind }),
      forgotten: (count: number, kind: string) => forgotten.add(count, { kind }),
    },
  }
}

/** Shows in the metrics how far the readers of each topic are behind; nothing while the bus does not say. */
export function observeLag(bus: Pick<Bus, 'lag'>): void {
  const gauge = (name: string, description: string, unit: string) =>
    meter().createObservableGauge(`weir.bus.lag.${name}`, { description, unit })
  const gauges = [
    gauge('messages', 'Messages a group has not read.', '{message}'),
    gauge('bytes', 'Bytes of them.', 'By'),
    gauge('age', 'Age of the oldest.', 'ms'),
  ]
  meter().addBatchObservableCallback(async result => {
    for (const { topic, group, messages, bytes, ageMs } of await bus.lag().catch(() => []))
      for (const [at, value] of [messages, bytes, ageMs].entries()) result.observe(gauges[at], value, { topic, group })
  }, gauges)
}

/** Shows in the metrics how many objects say what is not understood of identities. */
export function observeIdentities(identities: IdentityTable): void {
  meter()
    .createObservableGauge('weir.enricher.identities.unsupported', {
      description: 'Objects that say what is not understood of identities: templates, for the most part.',
      unit: '{object}',
    })
    .addCallback(result => result.observe(identities.unsupported))
}
