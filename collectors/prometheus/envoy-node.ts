import { readNodeId } from '../mesh/node-id.ts'
import { Cursor } from '../protobuf/cursor.ts'
import { bytesTag } from './write-request.ts'

/** Who an Envoy is, by the envoy.config.core.v3.Node it introduces itself with; '' where it does not say. */
export interface MetricsNode {
  id: string
  address: string
  namespace: string
  pod: string
  cluster: string
}

const longest = 1024

/** Reads StreamMetricsMessage.Identifier, which has the node as its first field. Throws UndecodableError. */
export function readNode(bytes: Buffer, start: number, end: number): MetricsNode {
  const node: MetricsNode = { id: '', address: '', namespace: '', pod: '', cluster: '' }
  const metadata = new Map<string, string>()
  for (const [nodeStart, nodeEnd] of fields(bytes, start, end, 1))
    for (const [field, from, to] of allFields(bytes, nodeStart, nodeEnd)) {
      if (field === 1) node.id = bytes.toString('utf8', from, Math.min(to, from + longest))
      else if (field === 3)
        for (const [entryStart, entryEnd] of fields(bytes, from, to, 1)) readEntry(bytes, entryStart, entryEnd, metadata)
    }
  const said = readNodeId(node.id)
  node.address = said?.address ?? ''
  node.namespace = metadata.get('NAMESPACE') || said?.namespace || ''
  node.pod = metadata.get('NAME') || said?.pod || ''
  node.cluster = metadata.get('CLUSTER_ID') ?? ''
  return node
}

/** An entry of a google.protobuf.Struct, if its value is a text. */
function readEntry(bytes: Buffer, start: number, end: number, into: Map<string, string>): void {
  let [key, text] = ['', '']
  for (const [field, from, to] of allFields(bytes, start, end)) {
    if (field === 1) key = bytes.toString('utf8', from, Math.min(to, from + longest))
    else if (field === 2)
      for (const [at, behind] of fields(bytes, from, to, 3)) text = bytes.toString('utf8', at, Math.min(behind, at + longest))
  }
  if (key && text) into.set(key, text)
}

function* fields(bytes: Buffer, start: number, end: number, wanted: number): Generator<[start: number, end: number]> {
  for (const [field, from, to] of allFields(bytes, start, end)) if (field === wanted) yield [from, to]
}

/** The length-delimited fields of a message. */
function* allFields(bytes: Buffer, start: number, end: number): Generator<[field: number, start: number, end: number]> {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === bytesTag(tag >>> 3)) yield [tag >>> 3, cursor.start, cursor.end]
  }
}
