/** Copies longer than this are left to C++, which shorter ones would wait for longer than they take. */
const shortCopy = 32

export function copyLiteral(bytes: Buffer, at: number, out: Buffer, to: number, length: number): void {
  if (length > shortCopy) return void bytes.copy(out, to, at, at + length)
  for (let i = 0; i < length; i++) out[to + i] = bytes[at + i]
}

/** Copies `length` bytes from `offset` bytes before `to`. What overlaps repeats. */
export function copyWithin(out: Buffer, to: number, offset: number, length: number): void {
  if (length > shortCopy && offset >= length) return void out.copyWithin(to, to - offset, to - offset + length)
  for (let i = to; i < to + length; i++) out[i] = out[i - offset]
}
