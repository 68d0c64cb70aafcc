import type { Flow } from '../../schema/flow.ts'
import type { Request } from '../../schema/request.ts'
import type { Sample } from '../../schema/sample.ts'
import { envoyMeaning } from './envoy.ts'
import { istioMeaning } from './istio.ts'
import { linkerdMeaning } from './linkerd.ts'
import type { Point } from './point.ts'
import type { Watched } from './series.ts'

/** What a series is about, found out once from its name and labels. */
export interface Meaning {
  /** Fields of its samples. */
  sample: Sample
  /** What else is made of what it grew by. */
  edge?: Edge
}

/** A record beside the sample, which has what the series grew by in one of its fields. */
export type Edge =
  | { kind: 'request'; record: Request; grows: 'weight' }
  | { kind: 'flow'; record: Flow; grows: 'weight' | 'bytes' | 'connections' }

/** A series as those who know its metric read it. */
export interface Described {
  /** Without _total, which not every way of exposing metrics has. */
  name: string
  /** '' for a label that is absent. */
  label: (name: string) => string
  target: Watched
}

const readers = [istioMeaning, linkerdMeaning, envoyMeaning] as const

/** Metrics nobody knows are kept as they are. */
export function describe({ metric, labels }: Point, target: Watched): Meaning {
  const values = new Map(labels)
  const series: Described = { name: metric.replace(/_total$/, ''), label: name => values.get(name) ?? '', target }
  for (const read of readers) {
    const meaning = read(series)
    if (meaning) return meaning
  }
  return { sample: {} }
}
