const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const special = /^([+-]?)(inf(?:inity)?|nan)$/i

/** A number as Prometheus writes it, or nothing for what is none: decimal, Inf or NaN in any case, no hexadecimal, no underscores. */
export function numberOf(text: string): number | undefined {
  if (decimal.test(text)) return Number(text)
  const [, sign, word] = special.exec(text) ?? []
  if (word === undefined) return undefined
  if (word[0] === 'n' || word[0] === 'N') return sign ? undefined : NaN
  return sign === '-' ? -Infinity : Infinity
}
