const thresholdDigits = 14
const never = 63

/**
 * How many spans a span stands for, by the tracestate of its trace: `ot=th:…`, the threshold below which traces were not kept, in
 * hexadecimal of 56 bits without trailing zeros; or the older `ot=p:…`, the negative exponent of the probability. Else 1.
 */
export function weightOf(traceState: string): number {
  for (const member of traceState.split(',')) {
    const [, value] = /^\s*ot=(.*)$/.exec(member) ?? []
    if (value === undefined) continue
    for (const part of value.trim().split(';')) {
      const [key, text] = part.split(':')
      if (key === 'th' && /^[0-9a-f]{1,14}$/.test(text ?? '')) return byThreshold(text)
      if (key === 'p' && /^\d{1,2}$/.test(text ?? '') && Number(text) < never) return 2 ** Number(text)
    }
  }
  return 1
}

function byThreshold(digits: string): number {
  return 1 / (1 - Number.parseInt(digits.padEnd(thresholdDigits, '0'), 16) / 2 ** 56)
}
