import { wideAt } from '../../runtime/block/block.ts'
import type { Step } from '../step.ts'
import type { Tag } from '../tag.ts'

/** Marks rows of the window that is being attributed again; none are marked while there is none. */
export function revision(current: () => Tag | undefined): Step {
  return {
    name: 'revision',
    enrich(draft) {
      const tag = current()
      if (!tag || !('revision' in draft.kind.fields)) return
      const [from, to] = [tag.from * 1e6, tag.to * 1e6]
      const times = draft.block.words('time')
      const revisions = new Uint32Array(draft.block.rows)
      for (let row = 0; row < revisions.length; row++) {
        const time = wideAt(times, row)
        if (time >= from && time < to) revisions[row] = tag.revision
      }
      draft.setNumbers('revision', revisions)
    },
  }
}
