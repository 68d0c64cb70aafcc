import type { Readable } from 'node:stream'
import { type ClickHouse, ClickHouseError } from './client.ts'

const isRetriable = (error: unknown) => error instanceof ClickHouseError && error.retriable

/** The result of the first server with which it works. Rejects with the last error, or at once with one that no other server would mend. */
export async function firstThatWorks<T>(
  servers: readonly ClickHouse[],
  work: (clickhouse: ClickHouse) => Promise<T>,
  tryNext: (error: unknown) => boolean = isRetriable,
): Promise<T> {
  for (const [at, clickhouse] of servers.entries())
    try {
      return await work(clickhouse)
    } catch (error) {
      if (at === servers.length - 1 || !tryNext(error)) throw error
    }
  throw new Error('there are no servers')
}

const isAway = (error: unknown) => error instanceof ClickHouseError && error.type === 'UNREACHABLE'

/** Several servers that can all answer the same questions, as one: the next is asked when one is away, and stays the one that is asked. */
export function withSiblings(servers: readonly ClickHouse[]): ClickHouse {
  let order = [...servers]
  const anyone = <T>(work: (clickhouse: ClickHouse) => Promise<T>) =>
    firstThatWorks(
      order,
      async clickhouse => {
        const result = await work(clickhouse)
        order = [clickhouse, ...order.filter(other => other !== clickhouse)]
        return result
      },
      isAway,
    )
  return {
    database: servers[0].database,
    cluster: servers[0].cluster,
    get where() {
      return order[0].where
    },
    query: (...call) => anyone(clickhouse => clickhouse.query(...call)),
    command: (...call) => anyone(clickhouse => clickhouse.command(...call)),
    stream: (...call): Promise<Readable> => anyone(clickhouse => clickhouse.stream(...call)),
    insertNative: (...call) => anyone(clickhouse => clickhouse.insertNative(...call)),
    ping: async timeoutMs => (await Promise.all(servers.map(server => server.ping(timeoutMs)))).includes(true),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map(server => server[Symbol.asyncDispose]()))
    },
  }
}
