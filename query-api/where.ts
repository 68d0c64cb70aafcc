import { kinds } from '../schema/record.ts'
import { FilterError } from './filter/error.ts'
import { UnfinishedFilter, parseFilter } from './filter/parse.ts'

/** Which kinds of record a filter is about. Throws FilterError when it is about none, and about nothing else (`orElse`). */
export function whereOf(where = '', now?: number, orElse = false): { flow: boolean; request: boolean } {
  const [flow, request] = [kinds.flow, kinds.request].map(kind => mistakeIn(where, kind.fields, now))
  if (flow && request && !orElse) throw flow
  return { flow: !flow, request: !request }
}

function mistakeIn(where: string, fields: Parameters<typeof parseFilter>[1], now?: number): FilterError | undefined {
  try {
    parseFilter(where, fields, now)
    return undefined
  } catch (error) {
    if (error instanceof FilterError || error instanceof UnfinishedFilter) return error
    throw error
  }
}
