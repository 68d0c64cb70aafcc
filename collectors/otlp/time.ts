const year2100 = 4_102_444_800e6

/** Nanoseconds since 1970 in two words as microseconds, exactly; or `received` for what is no time of a clock that is set. */
export function microsOf(low: number, high: number, received: number): number {
  const thousands = Math.floor(high / 1000)
  const micros = thousands * 4294967296 + Math.floor(((high - thousands * 1000) * 4294967296 + low) / 1000)
  return micros > 0 && micros < year2100 ? micros : received
}

/** RFC 3339 with nanoseconds; '' for 0. */
export function nanosText(nanos: bigint): string {
  if (nanos === 0n) return ''
  const millis = nanos / 1_000_000n
  if (millis > 8_640_000_000_000_000n) return String(nanos)
  const text = new Date(Number(millis)).toISOString()
  return `${text.slice(0, -1)}${String(nanos % 1_000_000n).padStart(6, '0')}Z`
}
