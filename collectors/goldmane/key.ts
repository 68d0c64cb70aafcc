import { createHash } from 'node:crypto'
import { Cursor } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'

/** goldmane.PolicyHit: a rule the traffic came by. `trigger` is the policy that made the end of a tier decide. */
export interface PolicyHit {
  kind: number
  namespace: string
  name: string
  tier: string
  action: number
  policyIndex: number
  /** -1 where no rule matched. */
  ruleIndex: number
  trigger?: PolicyHit
}

/** An end as Goldmane names it: `type` is goldmane.EndpointType. */
export interface EndName {
  type: number
  namespace: string
  name: string
}

/** goldmane.FlowKey, by which Goldmane adds up. */
export interface FlowKey {
  source: EndName
  destination: EndName
  port: number
  serviceName: string
  serviceNamespace: string
  servicePortName: string
  servicePort: number
  protocol: string
  reporter: number
  action: number
  enforced: PolicyHit[]
  pending: PolicyHit[]
}

export const endpointTypes = { workload: 1, host: 2, networkSet: 3, network: 4 }
export const reporters = { source: 1, destination: 2 }
export const actions = { allow: 1, deny: 2, pass: 3 }

const longestText = 1024
const mostHits = 128
const mostTriggers = 4

const noEnd = (): EndName => ({ type: 0, namespace: '', name: '' })

export const emptyKey = (): FlowKey => ({
  source: noEnd(),
  destination: noEnd(),
  port: 0,
  serviceName: '',
  serviceNamespace: '',
  servicePortName: '',
  servicePort: 0,
  protocol: '',
  reporter: 0,
  action: 0,
  enforced: [],
  pending: [],
})

/** The first 64 bits of a hash of all that is in a key, as two words; it does not depend on how the key was encoded. */
export function hashOfKey(key: FlowKey): { low: number; high: number } {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest()
  return { low: digest.readInt32LE(0), high: digest.readInt32LE(4) }
}

/** An int64, as exactly as a number holds it. */
export function signed(cursor: Cursor): number {
  const low = cursor.varint()
  const { high } = cursor
  return (high >= 0x80000000 ? high - 0x100000000 : high) * 0x100000000 + low
}

/** Reads a goldmane.FlowKey. Throws UndecodableError and OverLimitError. */
export function readKey(bytes: Buffer, start: number, end: number): FlowKey {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  const key = emptyKey()
  while (cursor.at < end) readKeyField(cursor, cursor.tag(), key)
  cursor.close(end)
  return key
}

/** Tags are the number of the field times eight plus the wire type, as they stand in the message. */
function readKeyField(cursor: Cursor, tag: number, key: FlowKey): void {
  if (tag === 10) key.source.name = text(cursor)
  else if (tag === 18) key.source.namespace = text(cursor)
  else if (tag === 24) key.source.type = cursor.varint()
  else if (tag === 34) key.destination.name = text(cursor)
  else if (tag === 42) key.destination.namespace = text(cursor)
  else if (tag === 48) key.destination.type = cursor.varint()
  else if (tag === 56) key.port = signed(cursor)
  else if (tag === 66) key.serviceName = text(cursor)
  else if (tag === 74) key.serviceNamespace = text(cursor)
  else if (tag === 82) key.servicePortName = text(cursor)
  else if (tag === 88) key.servicePort = signed(cursor)
  else if (tag === 98) key.protocol = text(cursor)
  else if (tag === 104) key.reporter = cursor.varint()
  else if (tag === 112) key.action = cursor.varint()
  else if (tag === 122) {
    cursor.span()
    readTrace(cursor, cursor.start, cursor.end, key)
  } else cursor.skip(tag)
}

/** goldmane.PolicyTrace. */
function readTrace(cursor: Cursor, start: number, end: number, { enforced, pending }: FlowKey): void {
  cursor.at = start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 10 && tag !== 18) cursor.skip(tag)
    else {
      const hits = tag === 10 ? enforced : pending
      if (hits.length === mostHits) throw new OverLimitError(`more than ${mostHits} policies in one trace`)
      hits.push(readHit(cursor))
    }
  }
  cursor.close(end)
}

const noHit = (): PolicyHit => ({ kind: 0, namespace: '', name: '', tier: '', action: 0, policyIndex: 0, ruleIndex: 0 })

function readHit(cursor: Cursor, depth = 0, hit = noHit()): PolicyHit {
  if (depth > mostTriggers) throw new OverLimitError(`more than ${mostTriggers} policies within one another`)
  cursor.span()
  const { end } = cursor
  cursor.at = cursor.start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) hit.kind = cursor.varint()
    else if (tag === 18) hit.namespace = text(cursor)
    else if (tag === 26) hit.name = text(cursor)
    else if (tag === 34) hit.tier = text(cursor)
    else if (tag === 40) hit.action = cursor.varint()
    else if (tag === 48) hit.policyIndex = signed(cursor)
    else if (tag === 56) hit.ruleIndex = signed(cursor)
    else if (tag === 66) hit.trigger = readHit(cursor, depth + 1, hit.trigger)
    else cursor.skip(tag)
  }
  cursor.close(end)
  return hit
}

/** '-' stands for nothing. */
function text(cursor: Cursor): string {
  cursor.span()
  const { start, end } = cursor
  if (end - start > longestText) throw new OverLimitError(`a name of ${end - start} bytes, at most ${longestText} are taken`)
  const read = cursor.text(start, end)
  return read === '-' ? '' : read
}
