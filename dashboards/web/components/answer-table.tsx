import { isNumber, isTime, timeOf, wordsOf } from '../../render/series.ts'
import { moment, utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Answer, Column, Value } from '../../question.ts'

/** An answer as a table: what a picture shows, readable. */
export const AnswerTable = ({ answer, limit = 500 }: { answer: Answer; limit?: number }) => (
  <div class="table-wrap" style={{ maxHeight: '420px' }}>
    <table class="data">
      <thead>
        <tr>
          {answer.columns.map(column => (
            <th key={column.name} scope="col" class={isNumber(column) ? 'right' : ''}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {answer.rows.slice(0, limit).map((row, at) => (
          <tr key={at}>
            {answer.columns.map((column, index) => (
              <Cell key={column.name} column={column} value={row[index]!} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
    {answer.rows.length > limit && (
      <p class="facts">
        The first {limit} of {answer.rows.length} rows.
      </p>
    )}
  </div>
)

function Cell({ column, value }: { column: Column; value: Value }) {
  if (isTime(column)) return <td title={utc(timeOf(value))}>{moment(timeOf(value))}</td>
  if (isNumber(column) && typeof value !== 'string') {
    return (
      <td class="right number" title={String(value)}>
        {format(value as number | null, column.unit)}
      </td>
    )
  }
  return <td>{wordsOf(value)}</td>
}
