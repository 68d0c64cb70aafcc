/** Sorting tables by a column; a minus before its name means largest first. */

export interface Sort {
  column: string
  descending: boolean
}

export const readSort = (text: string, initial: string): Sort => {
  const sort = text || initial
  return sort.startsWith('-') ? { column: sort.slice(1), descending: true } : { column: sort, descending: false }
}

/** The sort after a click on a column: numbers begin with the largest, a second click turns around. */
export function clicked({ column, descending }: Sort, name: string, isNumber: boolean): string {
  const down = name === column ? !descending : isNumber
  return down ? `-${name}` : name
}

/** Rows in order; what has no value comes last either way. */
export function sorted<T extends object>(rows: readonly T[], { column, descending }: Sort): T[] {
  const valueOf = (row: T) => (row as Readonly<Record<string, unknown>>)[column] ?? null
  return [...rows].sort((a, b) => {
    const [x, y] = [valueOf(a), valueOf(b)]
    if (x === null || y === null) return Number(x === null) - Number(y === null)
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))
    return descending ? -order : order
  })
}
