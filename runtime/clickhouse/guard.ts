import type { ClickHouse } from './client.ts'

/** Functions that read files of the server whatever the user's grants are, when the server is embedded. */
const reaching = /\b(file|catboostEvaluate|executable|structureTo\w+Schema)\b/i

/** Literals as ClickHouse's own formatter writes them, and quoted names, which stay. */
const literalOrName = /'(?:[^'\\]|\\[^])*'|`(?:[^`\\]|\\[^])*`/g

/** SQL that reads what it should not. */
export class ForbiddenSqlError extends Error {
  override name = 'ForbiddenSqlError'
}

/**
 * SQL of somebody else as ClickHouse understands it: run this, not the original. Throws a ForbiddenSqlError when it calls a function that
 * reaches beyond the tables; grants and limits of the reader stop everything else. What is no SQL throws ClickHouse's error.
 */
export async function guardedSql(clickhouse: ClickHouse, sql: string, { signal }: { signal?: AbortSignal } = {}): Promise<string> {
  const { rows } = await clickhouse.query<{ formatted: string }>('SELECT formatQuery({sql:String}) AS formatted', {
    params: { sql },
    signal,
  })
  const { formatted } = rows[0]
  const code = formatted.replace(literalOrName, text => (text.startsWith("'") ? "''" : text))
  const found = reaching.exec(code)
  if (found) throw new ForbiddenSqlError(`${found[0]} may not be used: it reads beyond the tables`)
  return formatted
}
