import type { ObjectVersion } from '../../schema/object.ts'

/** What matters of an object: what a version of it says. */
export type Facts = Omit<ObjectVersion, 'time' | 'source' | 'cluster' | 'uid' | 'valid_from' | 'valid_to' | 'ended_after'>

const names = [
  'kind',
  'namespace',
  'name',
  'addresses',
  'ports',
  'host_network',
  'node',
  'zone',
  'workload',
  'workload_kind',
  'services',
  'service_account',
  'spiffe_id',
  'labels',
  'spec',
] as const satisfies readonly (keyof Facts)[]

/** Whether both say the same, but for `besides`. What is left out is as if it were empty. */
export function sameFacts(a: Facts, b: Facts, besides: readonly (keyof Facts)[] = []): boolean {
  return names.every(name => besides.includes(name) || sameValue(a[name], b[name]))
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) || Array.isArray(b)) return sameTexts(a as string[] | undefined, b as string[] | undefined)
  return (a || '') === (b || '')
}

/** Whether both have the same texts in the same order. */
export function sameTexts(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a === b || (a.length === b.length && a.every((text, at) => text === b[at]))
}
