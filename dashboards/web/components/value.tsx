import type { Value } from '../../question.ts'
import { wordsOf } from '../../render/series.ts'
import { useApp } from '../state/context.ts'
import { is, narrowed } from '../state/filter.ts'
import { go } from '../state/navigation.ts'

/** A value that narrows the filter when it is clicked. */
export function FilterValue({ field, value, words }: { field: string; value: Value; words?: string }) {
  const text = words ?? wordsOf(value)
  if (value === null || typeof value === 'object') return <span class="cut">{text}</span>
  return <Narrow condition={is(field, value)} words={text} muted={value === ''} />
}

/** Words that narrow the filter by a condition. */
export function Narrow({ condition, words, muted = false }: { condition: string; words: string; muted?: boolean }) {
  const { state } = useApp()
  return (
    <button
      type="button"
      class="value"
      title={`Only ${condition}`}
      onClick={event => {
        event.stopPropagation()
        go({ where: narrowed(state.where, condition) })
      }}
    >
      <span class={muted ? 'cut muted' : 'cut'}>{words}</span>
    </button>
  )
}
