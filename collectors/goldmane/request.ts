/** What a stream of Goldmane adds up, in seconds: it takes no other. */
export const intervalSeconds = 15

/** goldmane.FlowStreamRequest from a time on, in seconds; without it from now on. Negative is that long ago. */
export function streamRequest(since: number | undefined): Uint8Array {
  const from = since ? [8, ...varint(BigInt.asUintN(64, BigInt(Math.floor(since))))] : []
  return Uint8Array.from([...from, 24, intervalSeconds])
}

function varint(value: bigint): number[] {
  const bytes: number[] = []
  for (; value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128)
  return [...bytes, Number(value)]
}
