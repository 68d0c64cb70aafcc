import { createHash } from 'node:crypto'
import { ConfigError } from '../../runtime/error.ts'

/** Which of the peers a collector reads when several collectors divide them. */
export interface ShareOptions {
  /** Which of them this is, from 0; by default the number the name of the host ends in. */
  number?: number
  of?: number
  /** Seconds for which nobody else must have read a peer before it is read here. */
  handover_seconds?: number
}

export const shareSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'Divides the addresses among several collectors: each is read by one of them.',
  properties: {
    number: {
      type: 'integer',
      minimum: 0,
      defaultIs: 'the number at the end of the name of the machine',
      description: 'Which of the collectors this is, from 0.',
    },
    of: { type: 'integer', minimum: 1, default: 1, description: 'How many collectors there are.' },
    handover_seconds: {
      type: 'integer',
      minimum: 0,
      default: 10,
      description: 'Seconds for which no other collector must have published flows of a peer before it is read here.',
    },
  },
}

/** The addresses that are this collector's to read. Throws ConfigError. */
export function ownShare(addresses: readonly string[], share: ShareOptions | undefined, host: string): string[] {
  const of = share?.of ?? 1
  const number = numberOf(share, host, of)
  return addresses.filter(address => readerOf(address, of) === number)
}

function numberOf(share: ShareOptions | undefined, host: string, of: number): number {
  if (of === 1 && share?.number === undefined) return 0
  const number = share?.number ?? Number(/\d+$/.exec(host)?.[0] ?? NaN)
  if (number < of) return number
  const [got, where] =
    share?.number === undefined ? [`the machine ${JSON.stringify(host)}`, ' or a machine whose name ends in one'] : [number, '']
  throw new ConfigError(`collect.hubble.share.number: expected a number from 0 to ${of - 1}${where}, got ${got}`)
}

/** Rendezvous hashing: of all the collectors the one with the highest rank, so that one more takes over from each a little, and nothing else moves. */
export function readerOf(address: string, of: number): number {
  let [reader, highest] = [0, '']
  for (let number = 0; number < of; number++) {
    const rank = createHash('sha256').update(`${number} ${address}`).digest('hex')
    if (rank > highest) [reader, highest] = [number, rank]
  }
  return reader
}
