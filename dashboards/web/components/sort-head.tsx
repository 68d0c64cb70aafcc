import { go } from '../state/navigation.ts'
import { type Sort, clicked } from '../state/sort.ts'

interface Props {
  name: string
  title: string
  sort: Sort
  isNumber?: boolean
}

/** The head of a column one can sort by. */
export const SortHead = ({ name, title, sort, isNumber = false }: Props) => (
  <th
    scope="col"
    class={isNumber ? 'right' : ''}
    aria-sort={sort.column === name ? (sort.descending ? 'descending' : 'ascending') : 'none'}
  >
    <button type="button" onClick={() => go({ sort: clicked(sort, name, isNumber) }, { replace: true })}>
      {title}
      <span class="sort-mark" aria-hidden="true">
        {sort.column === name ? (sort.descending ? ' ↓' : ' ↑') : ''}
      </span>
    </button>
  </th>
)
