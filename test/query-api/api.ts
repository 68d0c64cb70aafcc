import type { FastifyInstance } from 'fastify'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type ApiOptions, openApi } from '../../query-api/app.ts'
import { openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { store } from './records.ts'

export interface TestApi extends AsyncDisposable {
  app: FastifyInstance
  clickhouse: ClickHouse
  store: (kind: Parameters<typeof store>[1], records: Parameters<typeof store>[2]) => Promise<void>
  /** The status and the body as JSON. */
  get<T = Record<string, unknown>>(url: string, headers?: Record<string, string>): Promise<{ status: number; body: T }>
  post<T = Record<string, unknown>>(url: string, body: object): Promise<{ status: number; body: T }>
}

/** The API over a database of its own. */
export async function openTestApi(options: Partial<ApiOptions> = {}): Promise<TestApi> {
  await using stack = new AsyncDisposableStack()
  const { clickhouse } = stack.use(await openTestDatabase())
  const app = openApi({ clickhouse, log: quietLog, ...options })
  stack.defer(() => app.close())
  const held = stack.move()
  return {
    app,
    clickhouse,
    store: (kind, records) => store(clickhouse, kind, records),
    async get<T>(url: string, headers = {}) {
      const response = await app.inject({ method: 'GET', url, headers: { host: 'localhost', ...headers } })
      return { status: response.statusCode, body: response.json<T>() }
    },
    async post<T>(url: string, payload: object) {
      const response = await app.inject({ method: 'POST', url, payload, headers: { host: 'localhost' } })
      return { status: response.statusCode, body: response.json<T>() }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
