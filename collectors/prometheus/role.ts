import { numberOf } from './number.ts'
import type { Family, FamilyType, Groups, Role, Series } from './series.ts'

const suffix = /_(total|bucket|sum|count|created)$/

/** Roles by suffix in a family of a type; the name of the family alone is ''. */
const roles: Readonly<Record<FamilyType, Readonly<Record<string, Role>>>> = {
  counter: { '': 'counter', total: 'counter', created: 'created' },
  histogram: { bucket: 'bucket', sum: 'sum', count: 'count', created: 'created' },
  summary: { '': 'gauge', sum: 'counter', count: 'counter', created: 'created' },
  gauge: { '': 'gauge' },
  info: {},
  stateset: { '': 'gauge' },
  gaugehistogram: {},
  unknown: {},
}

/** Of a series nothing was said of: what its name promises. */
const promised: Readonly<Record<string, Role>> = { total: 'counter', bucket: 'bucket', sum: 'sum', count: 'count' }

/** What a series is by its family, or by its name if the family is another. */
export function roleOf(name: string, family: Family | undefined): { role: Role; base: string } {
  const [ending, found = ''] = suffix.exec(name) ?? ['']
  const base = ending ? name.slice(0, -ending.length) : name
  if (family && family.type !== 'unknown' && name.startsWith(family.name)) {
    const rest = name.slice(family.name.length)
    const role = rest === '' ? (roles[family.type][''] ?? 'gauge') : roles[family.type][rest.slice(1)]
    if (role && (rest === '' || rest[0] === '_')) return { role, base: family.name }
    if (family.type === 'gaugehistogram' || family.type === 'info') return { role: 'gauge', base: name }
  }
  return { role: promised[found] ?? 'gauge', base }
}

/**
 * Settles what a series is, and with which others. Where `_created` series say when others began, counters wait for them in groups;
 * elsewhere they are gauges of their own.
 */
export function classify(
  series: Series,
  family: Family | undefined,
  { groups, hasCreated }: { groups: Groups; hasCreated: boolean },
): void {
  const { role, base } = roleOf(series.name, family)
  series.family = family
  series.role = role === 'created' && !hasCreated ? 'gauge' : role
  series.group = undefined
  if (series.role === 'gauge' || (role === 'counter' && !hasCreated)) return
  if (role === 'bucket') {
    const bound = numberOf(series.labels.find(([name]) => name === 'le')?.[1] ?? '')
    if (bound === undefined || Number.isNaN(bound)) return void (series.role = 'gauge')
    series.bound = bound
  }
  const labels = role === 'bucket' ? series.labels.filter(([name]) => name !== 'le') : series.labels
  const group = groups.of(base, labels)
  group.unit = family?.unit
  group.isHistogram = family?.type === 'histogram' && family.name === base
  series.group = group
}
