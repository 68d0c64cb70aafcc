/** Where enrichers tell each other which names clients got addresses for. */
export const nameTopic = 'weir-name-v1'

/** After so long what was told is removed: older records find no name by it. */
export const namesKeptMs = 3_600_000

/** For how long a client had an address by a name: microseconds since 1970. */
export interface ToldName {
  /** As the enricher knows clients: a pod, or an address within a cluster. */
  client: string
  address: string
  name: string
  from: number
  to: number
}

type Row = [client: string, address: string, name: string, from: number, to: number]

/** The body of a message that tells names: JSON, a list for each. */
export const namesBody = (names: readonly ToldName[]): Uint8Array =>
  Buffer.from(JSON.stringify(names.map(({ client, address, name, from, to }): Row => [client, address, name, from, to])))

/** What a body tells. Throws for one that tells something else. */
export function namesIn(body: Uint8Array): ToldName[] {
  const rows = JSON.parse(Buffer.from(body).toString()) as unknown
  if (!Array.isArray(rows) || !rows.every(isRow)) throw new Error('expected a list of names with client, address and interval')
  return rows.map(([client, address, name, from, to]) => ({ client, address, name, from, to }))
}

function isRow(row: unknown): row is Row {
  if (!Array.isArray(row) || row.length !== 5) return false
  return row.every((value, at) => (at < 3 ? typeof value === 'string' : Number.isSafeInteger(value)))
}
