import { readAddress } from '../../runtime/block/address.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { uint32 } from './wire.ts'

/** The head of an sFlow 5 datagram (https://sflow.org/sflow_version_5.txt). */
export interface SflowHead {
  /** Address of the agent, as it says it. */
  agent: string
  subAgent: number
  sequence: number
  /** Milliseconds. */
  uptime: number
  samples: number
  /** Where the samples begin. */
  start: number
}

/** How an address begins: its family. */
export const families: Readonly<Record<number, number>> = { 0: 0, 1: 4, 2: 16 }

export const isSflow = (bytes: Uint8Array): boolean => bytes.length >= 28 && uint32(bytes, 0) === 5

/** Throws UndecodableError. */
export function readSflowHead(bytes: Uint8Array): SflowHead {
  const length = families[uint32(bytes, 4)]
  if (length === undefined || 8 + length + 16 > bytes.length) throw new UndecodableError('an agent without an address', 4)
  const at = 8 + length
  return {
    agent: addressText(bytes, 8, length),
    subAgent: uint32(bytes, at),
    sequence: uint32(bytes, at + 4),
    uptime: uint32(bytes, at + 8),
    samples: uint32(bytes, at + 12),
    start: at + 16,
  }
}

function addressText(bytes: Uint8Array, at: number, length: number): string {
  if (length === 4) return bytes.subarray(at, at + 4).join('.')
  return length === 16 ? readAddress(bytes, at) : ''
}
