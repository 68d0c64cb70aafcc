import { attributedKind, hourSeconds, seenSql } from '../../schema/reattribution.ts'
import { addTo } from './changes.ts'
import { countChanged } from './copy.ts'
import type { Report, Request, Running } from './running.ts'
import { persist, readState } from './store.ts'

/** The ends that would be known otherwise: of all records of the window, or of those that were stored provisionally. */
export async function wouldChange(
  { kind: name, from, to, provisional }: Omit<Request, 'id'>,
  { stores, steps, prepare, onProgress }: Pick<Running, 'stores' | 'steps' | 'prepare' | 'onProgress'>,
  signal: AbortSignal,
): Promise<Report> {
  const report: Report = { rows: 0, changes: {}, skipped: [] }
  const state = await persist(() => readState(stores, name, signal), signal)
  const seen = (state && seenSql(state, 'time')) ?? '1'
  await using prepared = await prepare?.({ from, to }, signal)
  const work = { kind: attributedKind(name), stores, steps: prepared?.steps ?? steps(), signal }
  const wanted = (first: number, last: number) =>
    `time >= toDateTime(${first}, 'UTC') AND time < toDateTime(${last}, 'UTC')${provisional ? ' AND provisional' : ''} AND ${seen}`
  const hours = `SELECT DISTINCT toUnixTimestamp(toStartOfHour(time)) AS hour FROM ${name} WHERE ${wanted(from, to)} ORDER BY hour`
  const found = (await persist(() => stores.reader.query<{ hour: number }>(hours, { signal }), signal)).rows
  for (const [i, { hour }] of found.entries()) {
    const { rows, changes } = await countChanged(work, wanted(hour, hour + hourSeconds))
    report.rows += rows
    addTo(report.changes, changes)
    onProgress?.({ ...report, phase: 'copying', hours: i + 1, of: found.length })
  }
  return report
}
