import type { FetchedPartition, ProducedPartition } from './apis.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { RawRequest } from './wire.ts'

const producedWithinMs = 10_000

/** Asks the leader of a partition to store a batch, on every replica that is in step. */
export function produceRequest(topic: string, partition: number, batch: Buffer): RawRequest {
  const body = new ByteWriter().int16(-1).int16(-1).int32(producedWithinMs).int32(1).text(topic).int32(1).int32(partition).bytes(batch)
  return { version: 7, body: body.end(), decode: decodeProduced }
}

function decodeProduced(payload: Buffer): ProducedPartition {
  const reader = new ByteReader(payload)
  reader.skip(4).text()
  reader.skip(8)
  return { errorCode: reader.int16(), baseOffset: reader.int64() }
}

export interface FetchOptions {
  /** How long the broker waits for the first new byte. */
  waitMs: number
  maxBytes: number
  maxPartitionBytes: number
}

export interface FetchPosition {
  topic: string
  partition: number
  offset: number
}

/** Asks a broker for what follows these positions: at least a batch each, if there is any. */
export function fetchRequest(positions: readonly FetchPosition[], { waitMs, maxBytes, maxPartitionBytes }: FetchOptions): RawRequest {
  const body = new ByteWriter().int32(-1).int32(waitMs).int32(1).int32(maxBytes).int8(1).int32(0).int32(-1)
  body.list(positions, ({ topic, partition, offset }) => {
    body.text(topic).int32(1).int32(partition).int32(-1).int64(offset).int64(-1).int32(maxPartitionBytes)
  })
  // From version 11 on followers answer, too, who may not have yet what was read from the leader before.
  return { version: 10, body: body.int32(0).end(), decode: decodeFetched }
}

function decodeFetched(payload: Buffer): FetchedPartition[] {
  const reader = new ByteReader(payload)
  reader.skip(10)
  const partition = (topic: string): FetchedPartition => {
    const head = { topic, partition: reader.int32(), errorCode: reader.int16() }
    reader.skip(24)
    reader.list(() => reader.skip(16))
    return { ...head, records: reader.bytes() }
  }
  return reader
    .list(() => {
      const topic = reader.text()
      return reader.list(() => partition(topic))
    })
    .flat()
}
