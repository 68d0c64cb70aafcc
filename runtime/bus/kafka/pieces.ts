import type { Delivered, Message } from '../bus.ts'
import type { Cluster } from './cluster.ts'
import { type Entry, entryOf } from './encode.ts'
import { fetchOnce } from './fetch-once.ts'

/** Marks a record that holds the first, second… part of a body; the message itself comes with the last part. */
const pieceHeader = 'weir-piece'
/** With the last part: the offsets of those before. */
const piecesHeader = 'weir-pieces'

/** Small enough for a Kafka that nobody has told to take more than a million bytes. */
const pieceBytes = 900_000

/** Whether a message that is too large for its topic can travel in pieces. */
export const canBeCut = ({ body }: Message) => body.length > pieceBytes

/**
 * Stores a message in pieces, one after the other. Nobody sees it before the last is there, and who reads only that finds the others
 * by their offsets. What a publisher that dies leaves behind is skipped.
 */
export async function sendInPieces(message: Message, send: (entry: Entry) => Promise<number>): Promise<void> {
  const { key, headers, body, ids } = message
  const offsets: number[] = []
  let at = 0
  for (; body.length - at > pieceBytes; at += pieceBytes) {
    // A key of its own, so that compaction does not take it for an older version of the last.
    const own = key === undefined ? undefined : `${key}#${offsets.length}`
    const piece = entryOf({ key: own, headers: { [pieceHeader]: String(offsets.length) }, body: body.subarray(at, at + pieceBytes) })
    offsets.push(await send(piece))
  }
  await send(entryOf({ key, headers: { ...headers, [piecesHeader]: offsets.join() }, body: body.subarray(at), ids }))
}

/** The messages as they were published: pieces are put together. */
export async function joinPieces(cluster: Cluster, topic: string, partition: number, messages: Delivered[]): Promise<Delivered[]> {
  if (!messages.some(({ headers }) => pieceHeader in headers || piecesHeader in headers)) return messages
  const whole = messages.filter(({ headers }) => !(pieceHeader in headers))
  return Promise.all(whole.map(message => join(cluster, topic, partition, message)))
}

async function join(cluster: Cluster, topic: string, partition: number, message: Delivered): Promise<Delivered> {
  const { [piecesHeader]: offsets, ...headers } = message.headers
  if (!offsets) return message
  const pieces = offsets.split(',').map(offset => pieceAt(cluster, topic, partition, Number(offset)))
  const bodies = await Promise.all(pieces)
  if (bodies.some(body => !body)) return { ...message, headers: { ...headers, unreadable: 'pieces of the message are no longer kept' } }
  return { ...message, headers, body: Buffer.concat([...(bodies as Uint8Array[]), message.body]) }
}

async function pieceAt(cluster: Cluster, topic: string, partition: number, offset: number): Promise<Uint8Array | undefined> {
  const answer = await fetchOnce(cluster, { topic, partition, offset }, { maxBytes: 1, maxPartitionBytes: 1 }).catch(error => {
    if (cluster.signal.aborted) throw error
    return undefined
  })
  return answer?.messages.find(one => one.offset === offset && pieceHeader in one.headers)?.body
}
