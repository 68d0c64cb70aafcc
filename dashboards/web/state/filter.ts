/** Writing conditions of the filter language. */

/** In quoted text the quote itself is written twice. */
const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** A condition: `src_namespace = 'shop'`. */
export const is = (field: string, value: string | number | boolean) => `${field} = ${typeof value === 'string' ? quoted(value) : value}`

const isCompound = (condition: string) => /\bOR\b/i.test(condition)

/** All of the conditions that are given, joined by AND. */
export function both(...conditions: (string | undefined)[]): string | undefined {
  const given = [...new Set(conditions.filter(condition => condition?.trim()))] as string[]
  if (given.length < 2) return given[0]
  return given.map(condition => (isCompound(condition) ? `(${condition})` : condition)).join(' AND ')
}

/** The filter with one more condition; unchanged when it already says so. */
export const narrowed = (where: string, condition: string) => (where.includes(condition) ? where : (both(where, condition) ?? ''))
