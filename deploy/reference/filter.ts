import { limits, operatorsOf, parseFilter } from '../../query-api/filter/parse.ts'
import type { Field, FieldType } from '../../schema/field.ts'
import { code, page, table } from '../../schema/reference.ts'
import { kinds } from '../../schema/record.ts'

const values: Record<FieldType, string> = {
  label: 'a word, or text in \'…\' or "…", in which the quote itself is written twice',
  text: 'as a label',
  texts: 'as a label; the condition holds when it does for one of them',
  address: 'an address, IPv4 or IPv6, or a network such as `10.0.0.0/8`',
  time: '`2026-11-21T10:00:00Z`, or `now-15m` with s, m, h, d or w',
  bool: '`true`, `false`',
  uint8: 'a whole number',
  uint16: 'a whole number',
  uint32: 'a whole number',
  uint64: 'a whole number',
  float64: 'a number',
  numbers: '',
  attributes: '',
}

/** Filters with what they mean. */
const examples = {
  'verdict = dropped AND dst_port IN (80, 443)': 'packets to two ports that were dropped',
  "namespace = shop AND NOT workload LIKE 'front%'":
    'either end is in the namespace, and neither workload begins so: a name without its end means either end',
  'address IN (10.0.0.0/8, fd00::/8) AND network IS EMPTY': 'either end has one of these addresses, and an end has no network',
  "policy_name IS NOT EMPTY OR drop_reason ILIKE '%policy%'": 'a policy is named, or the reason says so in whatever case',
  'port BETWEEN 30000 AND 32767 AND (protocol = tcp OR protocol = udp)': 'node ports',
} as const

const keyedExamples = {
  "attributes['http.route'] = '/cart' AND resource['k8s.pod.name'] IS NOT EMPTY":
    'spans by what stands under a key of a map, which is compared as a text; a key that is not there is the empty text',
} as const

function operatorRows(): string[][] {
  const seen = new Map<string, Field>()
  for (const { fields } of Object.values(kinds))
    for (const field of Object.values<Field>(fields)) seen.set(field.values ? 'closed set' : field.type, field)
  const alike = Map.groupBy(seen, ([name, field]) =>
    JSON.stringify([operatorsOf(field).map(code).join(' '), name === 'closed set' ? 'one of its values' : values[field.type]]),
  )
  return [...alike].map(([rest, types]) => [types.map(([name]) => name).join(', '), ...(JSON.parse(rest) as string[])])
}

/** The page of the filter language. */
export function filterPage(): string {
  for (const example of Object.keys(examples)) parseFilter(example, kinds.flow.fields)
  for (const example of Object.keys(keyedExamples)) parseFilter(example, kinds.span.fields)
  return page(
    'Filters',
    'One language wherever records are chosen: `where` in the API, `--where` on the terminal, the bar at the top of the web app. Conditions are joined by `AND`, `OR` and `NOT`, ' +
      'with parentheses; `AND` binds more closely than `OR`. Words of the language are written in any case. A mistake is an error that says where, and what was expected.',
    table(
      ['filter', 'chooses'],
      Object.entries({ ...examples, ...keyedExamples }).map(([example, about]) => [code(example), about]),
    ),
    '## Operators',
    table(['type of the field', 'operators', 'values'], operatorRows()),
    'In `LIKE`, `%` is any text and `_` any character; `\\` takes the `%`, `_` or `\\` after it as it is. `ILIKE` knows no case. Empty is the zero of a type: no text, 0, `::`.',
    'The fields are those of the kind that is asked for: [flow](flow.md), [request](request.md), [span](span.md), [sample](sample.md), [loss](loss.md), [object](object.md).',
    `A filter has at most ${limits.bytes} bytes, ${limits.conditions} conditions, ${limits.list} values in a list, and ${limits.depth} levels.`,
  )
}
