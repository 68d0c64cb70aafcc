import test from 'ava'
import { type Attributed, again, replay, worldOf } from '../helpers/churn/replay.ts'

/** More of them with WEIR_CHURN_SEEDS=100. */
const seeds = Array.from({ length: Number(process.env.WEIR_CHURN_SEEDS ?? 3) }, (_, number) => 1 + number)

interface End {
  seed: number
  end: 'src' | 'dst'
  attributed: Attributed
  pod: string
  expected: string
  attribution: string
  reason: string
}

function endsOf(seed: number, attributed: readonly Attributed[]): End[] {
  return attributed.flatMap(one =>
    (['src', 'dst'] as const).map(end => ({
      seed,
      end,
      attributed: one,
      pod: String(one.row[`${end}_pod`]),
      expected: one.observed[end].life?.name ?? '',
      attribution: String(one.row[`${end}_attribution`]),
      reason: String(one.row[`${end}_attribution_reason`]),
    })),
  )
}

const describe = ({ seed, end, attributed: { observed }, ...rest }: End) =>
  JSON.stringify({ seed, end, ...rest, truth: observed[end], record: observed.record })

for (const seed of seeds)
  test(`whatever pods come and go, nobody is taken for another, and who can be known is known: ${seed}`, async t => {
    const world = worldOf(seed)
    const attributed = await replay(world)
    const ends = endsOf(seed, attributed)
    const unclaimed = ends.filter(({ end, attributed: { observed } }) => !observed[end].claim)
    const wrong = unclaimed.filter(
      ({ attribution, pod, expected }) => (attribution === 'exact' && pod !== expected) || (attribution === 'none' && pod),
    )
    t.deepEqual(wrong.slice(0, 3).map(describe), [])
    const determinable = unclaimed.filter(({ end, attributed: { observed, complete } }) => complete && observed[end].determinable)
    const missed = determinable.filter(({ attribution, pod, expected }) =>
      expected ? attribution !== 'exact' || pod !== expected : pod !== '',
    )
    t.true(missed.length <= determinable.length * 1e-4, missed.slice(0, 3).map(describe).join('\n'))
    const share = (some: readonly unknown[]) => `${((100 * some.length) / unclaimed.length).toFixed(1)} %`
    t.log(
      `${unclaimed.length} ends without a claim: determinable ${share(determinable)}, exact ${share(unclaimed.filter(({ attribution }) => attribution === 'exact'))}, ambiguous ${share(unclaimed.filter(({ attribution }) => attribution === 'ambiguous'))}, missed ${missed.length}`,
    )
    t.true(determinable.length > unclaimed.length / 4)
    const claims = ends.filter(({ end, attributed: { observed } }) => observed[end].claim)
    t.deepEqual(claims.filter(({ end, pod, attributed: { observed } }) => pod !== observed.record[`${end}_pod`]).map(describe), [])
    const trueClaims = claims.filter(({ end, attributed: { observed } }) => observed[end].claim === 'true')
    t.deepEqual(
      trueClaims
        .filter(({ attribution }) => attribution !== 'exact')
        .slice(0, 3)
        .map(describe),
      [],
    )
    const known = claims.filter(({ end, attributed: { observed, complete } }) => complete && observed[end].determinable)
    const believed = known.filter(
      ({ end, reason, attributed: { observed } }) => observed[end].claim === 'false' && reason !== 'claim_differs',
    )
    t.deepEqual(believed.slice(0, 3).map(describe), [])
  })

test('what becomes known later was marked as provisional', async t => {
  const world = worldOf(4)
  const attributed = await replay(world)
  const later = await again(world, attributed)
  const unmarked = attributed.filter(({ row }, index) =>
    ['src', 'dst'].some(
      end =>
        row[`${end}_attribution`] !== 'exact' &&
        row[`${end}_attribution_reason`] !== 'clock_skew' &&
        later[index][`${end}_attribution`] === 'exact' &&
        !row.provisional,
    ),
  )
  t.deepEqual(
    unmarked.slice(0, 3).map(({ row }) => row),
    [],
  )
  t.true(attributed.some(({ row }) => row.provisional))
})
