import { type ObjectVersion, objectFields } from '../../schema/object.ts'

/** Which version it is, and who told of it when. */
const ofVersion = ['time', 'source', 'cluster', 'uid', 'valid_from', 'valid_to', 'ended_after'] as const satisfies (keyof ObjectVersion)[]

/** What matters of an object: what a version of it says. */
export type Facts = Omit<ObjectVersion, (typeof ofVersion)[number]>

const isFact = (name: string): name is keyof Facts => !ofVersion.some(other => other === name)
const names = Object.keys(objectFields).filter(isFact)

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
