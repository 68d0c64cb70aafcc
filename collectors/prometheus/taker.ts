import type { openSamples } from '../samples/intake.ts'
import type { Labels, Point, PointTaker, Target } from '../samples/point.ts'

/** Opens what takes the points of a source. */
export type OpenTaker = typeof openSamples

const pointsAtOnce = 1000

/** Hands on points, as fast as they are taken. */
export async function handOn<T>(taker: PointTaker, all: readonly T[], of: (each: T) => { point: Point; target: Target }): Promise<void> {
  for (let at = 0; at < all.length; at += pointsAtOnce) {
    await taker.ready()
    for (const each of all.slice(at, at + pointsAtOnce)) {
      const { point, target } = of(each)
      taker.take(point, target)
    }
  }
}

/** Who was measured, by labels that say so: the pod, or else the instance. */
export function targetOf(labels: Labels, cluster: string): Target {
  const label = (wanted: string) => labels.find(([name]) => name === wanted)?.[1]
  const [pod, namespace] = [label('pod'), label('namespace')]
  return { reporter: (pod && (namespace ? `${namespace}/${pod}` : pod)) || label('instance') || '', cluster: label('cluster') ?? cluster }
}
