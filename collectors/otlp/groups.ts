import { Cursor, UndecodableError } from '../protobuf/cursor.ts'

/** What one scope of one resource sent: places in the bytes of an export. */
export interface Group {
  resourceStart: number
  resourceEnd: number
  scopeStart: number
  scopeEnd: number
  /** Start and end of each span, log record or metric. */
  items: number[]
}

const maxGroups = 100_000

/**
 * Finds the spans, log records or metrics of an export: ExportTraceServiceRequest, ExportLogsServiceRequest and
 * ExportMetricsServiceRequest are built alike. Throws UndecodableError; what is in the items is not looked at.
 */
export function groupsOf(bytes: Buffer): Group[] {
  const groups: Group[] = []
  eachMessage(bytes, 0, bytes.length, (field, start, end) => {
    if (field === 1) addResource(groups, bytes, start, end)
  })
  return groups
}

/** ResourceSpans, ResourceLogs, ResourceMetrics: 1 is the resource, 2 the scopes. */
function addResource(groups: Group[], bytes: Buffer, start: number, end: number): void {
  const first = groups.length
  let [resourceStart, resourceEnd] = [0, 0]
  eachMessage(bytes, start, end, (field, at, to) => {
    if (field === 1) [resourceStart, resourceEnd] = [at, to]
    else if (field === 2) addScope(groups, bytes, at, to)
  })
  for (const group of groups.slice(first)) Object.assign(group, { resourceStart, resourceEnd })
}

/** ScopeSpans, ScopeLogs, ScopeMetrics: 1 is the scope, 2 the items. */
function addScope(groups: Group[], bytes: Buffer, start: number, end: number): void {
  const group: Group = { resourceStart: 0, resourceEnd: 0, scopeStart: 0, scopeEnd: 0, items: [] }
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === 0x12) group.items.push(cursor.start, cursor.end)
    else if (tag === 0x0a) [group.scopeStart, group.scopeEnd] = [cursor.start, cursor.end]
  }
  cursor.close(end)
  if (!group.items.length) return
  if (groups.length >= maxGroups) throw new UndecodableError(`more than ${maxGroups} scopes in an export`, start)
  groups.push(group)
}

/** Calls back for each length-delimited field of a message. */
export function eachMessage(bytes: Buffer, start: number, end: number, found: (field: number, start: number, end: number) => void): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) !== 2) cursor.skip(tag)
    else {
      cursor.span()
      found(tag >>> 3, cursor.start, cursor.end)
    }
  }
  cursor.close(end)
}

const longestScope = 256

/** Name of the library that measured: InstrumentationScope{name 1}. */
export function scopeName(bytes: Buffer, { scopeStart, scopeEnd }: Group): string {
  let name = ''
  eachMessage(bytes, scopeStart, scopeEnd, (field, start, end) => {
    if (field === 1) name = bytes.toString('utf8', start, Math.min(end, start + longestScope))
  })
  return name
}
