import type { ComponentChildren } from 'preact'
import { ago, utc, when } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Sort } from '../state/sort.ts'
import { SortHead } from './sort-head.tsx'

/** How often something was found, and when: milliseconds since 1970. */
export interface Found {
  count: number
  first: number
  last: number
}

/** The heads of the cells with which a `FoundRow` ends. */
export const FoundHeads = ({ sort }: { sort: Sort }) => (
  <>
    <SortHead name="count" title="Count" sort={sort} isNumber />
    <SortHead name="first" title="First seen" sort={sort} isNumber />
    <SortHead name="last" title="Last seen" sort={sort} isNumber />
  </>
)

/** A row that leads to what it is about, by click and by Enter; `children` are its own cells. */
export const FoundRow = ({
  found,
  title,
  open,
  children,
}: {
  found: Found
  title: string
  open: () => void
  children: ComponentChildren
}) => (
  <tr class="pick" tabIndex={0} title={title} onClick={open} onKeyDown={event => event.key === 'Enter' && open()}>
    {children}
    <td class="right number">{format(found.count, 'count')}</td>
    <td class="right number" title={utc(found.first)}>
      {when(found.first)}
    </td>
    <td class="right number" title={utc(found.last)}>
      {ago(found.last)}
    </td>
  </tr>
)
