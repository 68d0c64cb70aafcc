import { Cursor } from '../protobuf/cursor.ts'
import type { Decision } from './decision.ts'
import type { Details, Flags } from './parts.ts'
import { type Struct, readPairs, readStruct, textOf } from './struct.ts'

/** What Envoy's RBAC filters left in the metadata of an entry. */
export interface Rbac {
  /** What the policies that are enforced decided, absent where the filters did not say. */
  enforced?: { denied: boolean; policy: string }
  /** What policies that are not enforced would have denied: their ids, '' where none would have allowed it. */
  dryRuns: readonly string[]
  /** The policy that had an external authorization asked. */
  custom?: string
  /** A trace id that a filter wrote down. */
  traceId: string
  /** What was made of this with the details and flags of entries. */
  decisions: Map<Details, Map<Flags, Decision>>[]
}

const filters: readonly string[] = ['envoy.filters.http.rbac', 'envoy.filters.network.rbac']
const resultEnd = 'shadow_engine_result'
/** Istio finds out with shadow rules, too, for which requests it has to ask. */
const customPrefix = 'istio_ext_authz_'

export const noRbac = (): Rbac => ({ dryRuns: [], traceId: '', decisions: [] })

/** Reads core.v3.Metadata as far as it is about policies or traces. Throws UndecodableError. */
export function readMetadata(bytes: Buffer, start: number, end: number): Rbac {
  const rbac = noRbac()
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  readPairs(cursor, end, (filter, from, to) => {
    if (from < 0) return
    const struct = readStruct(bytes, from, to)
    if (filters.includes(filter)) readRbac(struct, rbac)
    rbac.traceId ||= traceIdIn(struct)
  })
  return rbac
}

function readRbac(struct: Struct, rbac: Rbac): void {
  const result = textOf(struct, 'enforced_engine_result')
  if (result) rbac.enforced = { denied: result === 'denied', policy: textOf(struct, 'enforced_effective_policy_id') }
  for (const [key, value] of struct) {
    if (!key.endsWith(resultEnd) || value !== 'denied') continue
    const prefix = key.slice(0, -resultEnd.length)
    const policy = textOf(struct, `${prefix}shadow_effective_policy_id`)
    if (prefix === customPrefix) rbac.custom = policy
    else rbac.dryRuns = [...rbac.dryRuns, policy]
  }
}

function traceIdIn(struct: Struct): string {
  const [, fromParent] = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(textOf(struct, 'traceparent')) ?? []
  const said = textOf(struct, 'trace_id')
  return fromParent ?? (/^[0-9a-f]{16,32}$/.test(said) ? said : '')
}
