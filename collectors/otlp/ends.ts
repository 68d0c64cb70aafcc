import type { Flow } from '../../schema/flow.ts'

/** What is known of an end, as the fields of that end of a flow. */
export const prefixed = (prefix: 'src_' | 'dst_', end: Readonly<Record<string, string | number>>): Partial<Flow> =>
  Object.fromEntries(Object.entries(end).map(([name, value]) => [prefix + name, value]))
