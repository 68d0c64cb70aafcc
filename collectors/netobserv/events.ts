import { Cursor } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'

/** What OVN-Kubernetes says of traffic: a rule that allowed or denied it. */
export interface NetworkEvent {
  isAllowed: boolean
  isDenied: boolean
  kind: string
  namespace: string
  name: string
  /** kind/namespace/name. */
  full: string
}

const mostPairs = 32
const longestText = 1024
const allowed = new Set(['allow', 'allow-related', 'allow-stateless'])
const denied = new Set(['drop', 'reject', 'deny'])

export const noEvent: NetworkEvent = { isAllowed: false, isDenied: false, kind: '', namespace: '', name: '', full: '' }

/** pbflow.NetworkEvent: a map with Feature, Action, Type, Name, Namespace and Direction. Throws UndecodableError and OverLimitError. */
export function readEvent(bytes: Buffer, start: number, end: number): NetworkEvent {
  const pairs = new Map<string, string>()
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 10) cursor.skip(tag)
    else if (pairs.size === mostPairs) throw new OverLimitError(`a network event with more than ${mostPairs} properties`)
    else pairs.set(...readPair(cursor))
  }
  cursor.close(end)
  return eventOf(pairs)
}

function readPair(cursor: Cursor): [key: string, value: string] {
  cursor.span()
  const { end } = cursor
  cursor.at = cursor.start
  const pair: [string, string] = ['', '']
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 10 && tag !== 18) cursor.skip(tag)
    else {
      cursor.span()
      if (cursor.end - cursor.start > longestText) throw new OverLimitError(`a text of more than ${longestText} bytes in a network event`)
      pair[tag === 10 ? 0 : 1] = cursor.text(cursor.start, cursor.end)
    }
  }
  cursor.close(end)
  return pair
}

/** A message in words names no policy. */
function eventOf(pairs: ReadonlyMap<string, string>): NetworkEvent {
  const text = (key: string) => pairs.get(key) ?? ''
  const action = text('Action').toLowerCase()
  if (text('Feature').toLowerCase() !== 'acl') return noEvent
  const [kind, namespace, name] = [text('Type'), text('Namespace'), text('Name')]
  return { isAllowed: allowed.has(action), isDenied: denied.has(action), kind, namespace, name, full: `${kind}/${namespace}/${name}` }
}
