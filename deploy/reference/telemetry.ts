import { countLate } from '../../enricher/edges/edges.ts'
import { countRemoved } from '../../enricher/history/keep.ts'
import { observeAttribution, observeIdentities, observeLag, observeObjects } from '../../enricher/observe.ts'
import { IdentityTable } from '../../enricher/tables/identities.ts'
import { unsharedNames } from '../../enricher/shared-names.ts'
import { openNames } from '../../enricher/tables/names.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { busInstruments } from '../../runtime/bus/instruments.ts'
import { collectMetrics, component, discardReasons, renderPrometheus, startTelemetry } from '../../runtime/telemetry.ts'
import { code, page, table } from '../../schema/reference.ts'

/** Uses every instrument once, so that all of them are to be seen. */
function useInstruments(): void {
  const { received, sent, discarded } = component('source', '')
  received(1, { kind: '' })
  sent(1, { kind: '' })
  discarded(1, 'repeated', { kind: '', topic: '' })
  const bus = busInstruments()
  bus.published('', 1, 1)
  bus.delivered('', '', 1, 1)
  bus.removed('', '', 1, 1)
  bus.waiting('', 1)
  bus.refused('', '')
  observeObjects(new ObjectTable())
  const names = openNames({ max_names: 1 })
  for (const address of ['a', 'b']) names.learn('', address, { name: '', time: 0, ttl: 0 })
  unsharedNames()(1)
  observeIdentities(new IdentityTable())
  countLate(1)
  const objects = new ObjectTable()
  objects.heartbeats.beat('', 0)
  const attribution = observeAttribution(objects, { ahead: () => [{ source: '', cluster: '', reporter: '', ahead: 0 }] })
  attribution.waited(1, true)
  countRemoved()(1)
  attribution.counters.provisional(1, '')
  attribution.counters.forgotten(1, '')
  observeLag({ lag: async () => [{ topic: '', group: '', messages: 0, bytes: 0, ageMs: 0 }] })
}

/** A row for each family of Prometheus' text format. */
function families(text: string): string[][] {
  return text.split(/^(?=# HELP )/m).map(family => {
    const [, name, about] = /^# HELP (\S+) (.*)$/m.exec(family)!
    const [, type] = /^# TYPE \S+ (\w+)$/m.exec(family)!
    const labels = [...family.matchAll(/(\w+)=/g)].map(([, label]) => code(label))
    return [code(name), type, labels.join(', '), about]
  })
}

/** The page of what weir says of itself. */
export async function telemetryPage(): Promise<string> {
  startTelemetry()
  useInstruments()
  const rows = families(renderPrometheus({ weir: await collectMetrics() }))
  return page(
    'Telemetry',
    'What `/metrics` shows, of all services below `weir up`, or of one that runs alone and has a `health.port`. A label is there where it says something.',
    table(['metric', 'type', 'labels', 'about'], rows),
    '## Reasons of `weir_component_records_discarded_total`',
    table(
      ['reason', 'about'],
      Object.entries(discardReasons).map(([reason, about]) => [code(reason), about]),
    ),
  )
}
