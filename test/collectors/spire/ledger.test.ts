import test from 'ava'
import fc from 'fast-check'
import { Ledger } from '../../../collectors/spire/ledger.ts'
import type { Seen } from '../../../collectors/spire/versions.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'

const seen = (uid: string, revision: number): Seen => ({ version: { kind: 'identity', uid, name: uid, spec: `${revision}` } })

/** What a server has at each poll: revisions by id. */
const polls = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 2 })), { maxLength: 12 })

/** The newest of each version that was told. */
function told(versions: readonly ObjectVersion[]): ObjectVersion[] {
  return [...new Map(versions.map(version => [objectKey(version), version])).values()]
}

test('whatever a server has, what is open is what two polls agree on, and intervals of one object do not overlap', t => {
  fc.assert(
    fc.property(polls, fc.nat(12), (all, restartAt) => {
      let ledger = new Ledger([])
      const versions: ObjectVersion[] = []
      for (const [at, has] of all.entries()) {
        if (at === restartAt) ledger = new Ledger(told(versions).filter(({ valid_to }) => valid_to === openEnd))
        const polled = { began: 1000 * (at + 1), ended: 1000 * (at + 1) + 10 }
        const entries = Object.entries(has).map(([uid, revision]) => seen(uid, revision))
        versions.push(...ledger.take(entries, polled).versions)
      }
      const open = told(versions).filter(({ valid_to }) => valid_to === openEnd)
      const last = all.at(-1) ?? {}
      for (const [uid, revision] of Object.entries(last)) t.true(open.some(each => each.uid === uid && each.spec === `${revision}`))
      const lately = new Set([...Object.keys(last), ...Object.keys(all.at(-2) ?? {})])
      // Who starts again has not seen the poll before.
      if (all.length - 1 !== restartAt) t.true(open.every(({ uid = '' }) => lately.has(uid)))
      for (const [, of] of Map.groupBy(told(versions), ({ uid }) => uid)) {
        const inOrder = of.toSorted((a, b) => a.valid_from! - b.valid_from!)
        for (const [i, each] of inOrder.entries()) {
          t.true(each.valid_from! < each.valid_to!)
          if (each.valid_to !== openEnd) t.true(each.ended_after! <= each.valid_to!)
          if (i) t.true(inOrder[i - 1].valid_to! <= each.valid_from!)
        }
      }
    }),
  )
})

test('one poll that does not tell of an entry ends nothing', t => {
  const ledger = new Ledger([])
  const poll = (at: number, ...uids: string[]) =>
    ledger.take(
      uids.map(uid => seen(uid, 0)),
      { began: at, ended: at + 1 },
    ).versions
  t.is(poll(10, 'a', 'b').length, 2)
  t.deepEqual(poll(20, 'a'), [])
  t.deepEqual(poll(30, 'a', 'b'), [])
  t.deepEqual(poll(40, 'a'), [])
  const [ended, ...others] = poll(50, 'a')
  t.deepEqual(others, [])
  t.like(ended, { uid: 'b', valid_to: 41, ended_after: 30, time: 51 })
})
