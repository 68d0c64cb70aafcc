import type { Sample } from '../../schema/sample.ts'

type EndFields = { [K in keyof Sample as K extends `src_${infer Name}` ? Name : never]?: Sample[K] }

/** What labels claim of an end. What they leave out stays out. */
export type End = Omit<EndFields, 'attribution' | 'attribution_reason' | 'zone' | 'network'>

/** Fields of the two ends of a record. */
export type EndsOf = { [K in keyof Sample as K extends `src_${string}` | `dst_${string}` ? K : never]?: Sample[K] }

export function bothEnds(src: End, dst: End): EndsOf {
  const named = (prefix: string, end: End) =>
    Object.entries(end).flatMap(([name, value]) => (value ? [[`${prefix}_${name}`, value] as const] : []))
  return Object.fromEntries([...named('src', src), ...named('dst', dst)])
}
