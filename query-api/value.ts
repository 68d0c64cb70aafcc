/** A value as ClickHouse's JSON has it, as the API says it: addresses as people write them, times in RFC 3339. */
export function jsonValue(type: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (type === 'address') return value === '::' ? '' : value.replace(/^::ffff:(?=\d+\.)/, '')
  return type === 'time' ? rfc3339(value) : value
}

function rfc3339(text: string): string {
  const [whole, fraction = ''] = text.split('.')
  const rest = fraction.replace(/0+$/, '')
  return `${whole.replace(' ', 'T')}${rest ? `.${rest}` : ''}Z`
}
