import type { Labels } from '../samples/point.ts'

export const familyTypes = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'] as const
export type FamilyType = (typeof familyTypes)[number]

export type Label = Labels[number]

/** What an agent says of all series of one name, apart from their suffixes. */
export interface Family {
  name: string
  type: FamilyType
  unit?: string
}

/** What a series is to its family. Those of a histogram make one point together; `created` says when others began. */
export type Role = 'gauge' | 'counter' | 'bucket' | 'sum' | 'count' | 'created'

/** A series by its name and labels, and what its family makes of it. */
export interface Series {
  readonly name: string
  /** All its labels, with those of the target, by name. */
  readonly labels: Labels
  role: Role
  /** Upper bound of a bucket. */
  bound: number
  /** The series it makes a point with. */
  group: Group | undefined
  /** What `role` was found out by. */
  family: Family | undefined
}

/** The series of a family that differ in nothing but the suffix and `le`. */
export class Group {
  readonly family: string
  /** Without `le`. */
  readonly labels: Labels
  unit: string | undefined
  isHistogram = false
  /** Bounds of the point before, which mostly are those of the next. */
  bounds: readonly number[] = []
  readonly parts: Parts = { series: [], values: [], time: 0 }

  constructor(family: string, labels: Labels) {
    this.family = family
    this.labels = labels
  }
}

/** Values of the series of a group at one time. */
export interface Parts {
  series: Series[]
  values: number[]
  /** Microseconds. */
  time: number
  began?: number
}

const isAfter = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Labels in the order of their names. */
export function sorted(labels: Labels): Labels {
  for (let i = 1; i < labels.length; i++) if (labels[i - 1][0] > labels[i][0]) return labels.toSorted(([a], [b]) => isAfter(a, b))
  return labels
}

/** With labels of the target; what a series calls the same is called exported_ before, as Prometheus does. */
export function withTarget(labels: Labels, target: Labels): Labels {
  const isTargets = (name: string) => target.some(([own]) => own === name)
  if (!labels.some(([name]) => isTargets(name))) return sorted([...labels, ...target])
  const isTaken = (name: string) => isTargets(name) || labels.some(([other]) => other === name)
  const rename = (name: string): string => (isTaken(name) ? rename(`exported_${name}`) : name)
  return sorted([...labels.map(([name, value]) => [isTargets(name) ? rename(name) : name, value] as const), ...target])
}

/** Of labels in the order of their names. */
export const hasTwice = (labels: Labels) => labels.some(([name], i) => name === labels[i + 1]?.[0])

/** The groups of a target or sender. */
export class Groups {
  #byKey = new Map<string, Group>()

  of(family: string, labels: Labels): Group {
    const key = [family, ...labels.flat()].join('\0')
    const known = this.#byKey.get(key)
    if (known) return known
    const group = new Group(family, labels)
    this.#byKey.set(key, group)
    return group
  }

  /** Forgets those that no series belongs to any more. */
  keep(series: Iterable<Series>): void {
    const used = new Set<Group | undefined>()
    for (const { group } of series) used.add(group)
    for (const [key, group] of this.#byKey) if (!used.has(group)) this.#byKey.delete(key)
  }
}
