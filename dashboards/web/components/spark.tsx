interface Props {
  values: readonly (number | null)[]
  tone?: 'error' | ''
}

const size = { width: 84, height: 20 }

/** A line the size of a word; its numbers stand beside it. */
export function Spark({ values, tone = '' }: Props) {
  const most = Math.max(...values.map(value => value ?? 0), Number.MIN_VALUE)
  const step = size.width / Math.max(1, values.length - 1)
  const points = values.map(
    (value, at) => `${(at * step).toFixed(1)},${(size.height - 2 - ((value ?? 0) / most) * (size.height - 4)).toFixed(1)}`,
  )
  return (
    <svg class={`spark ${tone}`} viewBox={`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,${size.height} ${points.join(' ')} ${size.width},${size.height}`} />
      <polyline points={points.join(' ')} />
    </svg>
  )
}
