import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import { type NodeId, readNodeId } from '../mesh/node-id.ts'
import { Cursor, bytesType } from '../protobuf/cursor.ts'
import { type Claims, claimsIn } from './claims.ts'
import type { Situations } from './situation.ts'
import { type Struct, readStruct, textOf } from './struct.ts'

/** An Envoy, as the first message of a stream introduces it. */
export interface EnvoyNode {
  /** namespace/pod, else the id of its node, else the address it sends from. */
  reporter: string
  kind: NodeId['kind'] | ''
  cluster: string
  /** Its own address as four words, as far as it says. */
  address?: Uint32Array
  claims: Claims
  /** Name of the logger. */
  log: string
  /** What its entries had in common so far. */
  situations: Situations
}

export interface NodeDefaults {
  /** Cluster of those that do not say. */
  cluster: string
  /** What those are that do not say. */
  kind: EnvoyNode['kind']
}

interface Told {
  id: string
  log: string
  metadata?: Struct
}

/** Reads StreamAccessLogsMessage.Identifier. Throws UndecodableError. */
export function readIdentifier(bytes: Buffer, start: number, end: number): Told {
  const told: Told = { id: '', log: '' }
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) !== bytesType) cursor.skip(tag)
    else {
      cursor.span()
      const after = cursor.at
      if (tag === 10) readNode(cursor, cursor.start, after, told)
      else if (tag === 18) told.log = shortText(cursor)
      cursor.at = after
    }
  }
  cursor.close(end)
  return told
}

/** Reads config.core.v3.Node but for its extensions, which are most of it. */
function readNode(cursor: Cursor, start: number, end: number, told: Told): void {
  cursor.at = start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) !== bytesType) cursor.skip(tag)
    else {
      cursor.span()
      if (tag === 10) told.id = shortText(cursor)
      else if (tag === 26) told.metadata = readStruct(cursor.bytes, cursor.start, cursor.end)
    }
  }
  cursor.close(end)
}

const shortText = (cursor: Cursor) => cursor.text(cursor.start, Math.min(cursor.end, cursor.start + 1024))

/** `peer` is the address it sends from. */
export function nodeOf({ id, log, metadata }: Told, peer: string, defaults: NodeDefaults, situations: Situations): EnvoyNode {
  const said = readNodeId(id)
  const claims = claimsIn(metadata)
  claims.pod ||= said?.pod
  claims.namespace ||= said?.namespace
  const address = wordsOf(said?.address || textOf(metadata, 'INSTANCE_IPS', 'ISTIO_META_INSTANCE_IPS').split(',')[0])
  return {
    reporter: claims.namespace && claims.pod ? `${claims.namespace}/${claims.pod}` : id || peer,
    kind: said?.kind ?? defaults.kind,
    cluster: claims.cluster || defaults.cluster,
    address,
    claims,
    log,
    situations,
  }
}

function wordsOf(address: string): Uint32Array | undefined {
  const words = new Uint32Array(4)
  return writeAddress(new Uint8Array(words.buffer, 0, addressBytes), 0, address) && address !== '' ? words : undefined
}
