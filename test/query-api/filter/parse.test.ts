import test from 'ava'
import { FilterError } from '../../../query-api/filter/error.ts'
import { complete } from '../../../query-api/filter/complete.ts'
import { parseFilter } from '../../../query-api/filter/parse.ts'
import { Parameters, filterSql } from '../../../query-api/filter/sql.ts'
import { kinds } from '../../../schema/record.ts'

const { fields } = kinds.flow
const now = Date.parse('2026-11-21T10:00:00Z')

const read = (text: string) => {
  const parameters = new Parameters()
  const filter = parseFilter(text, fields, now)
  return { sql: filter && filterSql(filter, parameters), values: Object.values(parameters.values) }
}

const understood: [text: string, sql: string, values: unknown[]][] = [
  ['verdict = dropped', 'verdict = {p1:String}', ['dropped']],
  [
    "verdict = dropped AND dst_port IN (80, 443) AND src_namespace LIKE 'shop%'",
    'verdict = {p1:String} AND dst_port IN ({p2:UInt16}, {p3:UInt16}) AND src_namespace LIKE {p4:String}',
    ['dropped', 80, 443, 'shop%'],
  ],
  ["src_pod = 'it''s'", 'src_pod = {p1:String}', ["it's"]],
  ['src_pod = "a b"', 'src_pod = {p1:String}', ['a b']],
  ['not verdict != audit', 'NOT (NOT (verdict = {p1:String}))', ['audit']],
  [
    'src_port = 1 or src_port = 2 and dst_port = 3',
    'src_port = {p1:UInt16} OR (src_port = {p2:UInt16} AND dst_port = {p3:UInt16})',
    [1, 2, 3],
  ],
  [
    '(src_port = 1 OR src_port = 2) AND dst_port = 3',
    '(src_port = {p1:UInt16} OR src_port = {p2:UInt16}) AND dst_port = {p3:UInt16}',
    [1, 2, 3],
  ],
  ['bytes BETWEEN 1 AND 9', 'bytes BETWEEN {p1:UInt64} AND {p2:UInt64}', [1, 9]],
  ['socket_cookie = 18446744073709551615', 'socket_cookie = {p1:UInt64}', ['18446744073709551615']],
  ['src_pod IS NOT EMPTY', "NOT (src_pod = '')", []],
  ['encrypted = true', 'encrypted = {p1:Bool}', [true]],
  ['time >= now-15m', 'time >= fromUnixTimestamp64Micro({p1:Int64})', [now * 1000 - 900e6]],
  ['src_address = 10.1.2.3', 'src_address = {p1:IPv6}', ['0000:0000:0000:0000:0000:ffff:0a01:0203']],
  [
    'src_address IN 10.0.0.0/8',
    'src_address BETWEEN {p1:IPv6} AND {p2:IPv6}',
    ['0000:0000:0000:0000:0000:ffff:0a00:0000', '0000:0000:0000:0000:0000:ffff:0aff:ffff'],
  ],
  [
    "src_address NOT IN ('fd00::/8', ::1)",
    'NOT (src_address BETWEEN {p1:IPv6} AND {p2:IPv6} OR src_address = {p3:IPv6})',
    ['fd00:0000:0000:0000:0000:0000:0000:0000', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '0000:0000:0000:0000:0000:0000:0000:0001'],
  ],
  ['namespace = shop', 'src_namespace = {p1:String} OR dst_namespace = {p2:String}', ['shop', 'shop']],
  ['namespace != shop', 'NOT (src_namespace = {p1:String} OR dst_namespace = {p2:String})', ['shop', 'shop']],
  ["src_pod = 'x'' OR 1=1 --'", 'src_pod = {p1:String}', ["x' OR 1=1 --"]],
]
for (const [text, sql, values] of understood) test(`understands ${text}`, t => t.deepEqual(read(text), { sql, values }))

const keyed: [text: string, sql: string, values: unknown[]][] = [
  ["attributes['http.route'] = '/cart'", 'attributes[{p1:String}] = {p2:String}', ['http.route', '/cart']],
  ['resource["k8s.pod"] LIKE web-%', 'resource[{p1:String}] LIKE {p2:String}', ['k8s.pod', 'web-%']],
  ["attributes['it''s'] NOT IN (a, b)", 'NOT (attributes[{p1:String}] IN ({p2:String}, {p3:String}))', ["it's", 'a', 'b']],
  ["attributes['x'] IS NOT EMPTY", "NOT (attributes[{p1:String}] = '')", ['x']],
  ["attributes[']}) OR (1=1'] > ''", 'attributes[{p1:String}] > {p2:String}', [']}) OR (1=1', '']],
  ["attributes['a'] = b AND name = c", 'attributes[{p1:String}] = {p2:String} AND name = {p3:String}', ['a', 'b', 'c']],
]
for (const [text, sql, values] of keyed)
  test(`understands ${text}`, t => {
    const parameters = new Parameters()
    t.deepEqual(
      { sql: filterSql(parseFilter(text, kinds.span.fields)!, parameters), values: Object.values(parameters.values) },
      { sql, values },
    )
  })

const badlyKeyed: [text: string, message: RegExp, offset: number, length: number, expected?: string][] = [
  ["name['x'] = a", /name has no keys/, 0, 9, 'name'],
  ["atributes['x'] = a", /there is no field atributes; did you mean attributes\?/, 0, 14],
  ['attributes[x] = a', /a key is quoted text in brackets/, 0, 13, "attributes['key']"],
  ["attributes['x = a", /has no closing '/, 11, 6, "'"],
  ["attributes['x' = a", /a key is quoted text in brackets/, 0, 11],
  ['attributes = a', /= makes no sense for attributes/, 11, 1, 'IS EMPTY'],
  ["name = attributes['x']", /"attributes" is not expected here/, 7, 15],
  ["attributes['x']", /the filter ends where =/, 15, 0, 'LIKE'],
]
for (const [text, message, offset, length, expected] of badlyKeyed)
  test(`says what is wrong with ${text}`, t => {
    const error = t.throws(() => parseFilter(text, kinds.span.fields), { instanceOf: FilterError, message })
    t.deepEqual({ ...error.position }, { ...error.position, offset, length })
    if (expected) t.true(error.expected.includes(expected), error.expected.join())
  })

test('an empty filter is none', t => {
  t.is(parseFilter('', fields), undefined)
  t.is(parseFilter(' \n', fields), undefined)
})

const misunderstood: [text: string, message: RegExp, offset: number, length: number, expected?: string][] = [
  ['src_workloads = a', /there is no field src_workloads; did you mean src_workload\?/, 0, 13, 'src_workload'],
  ['verdict = droped', /verdict is never "droped"; did you mean dropped\?/, 10, 6, 'dropped'],
  ['dst_port = 70000', /dst_port is never "70000"/, 11, 5, 'a whole number from 0 to 65535'],
  ['dst_port = -1', /dst_port is never "-1"/, 11, 2],
  ['dst_port LIKE 8%', /LIKE makes no sense for dst_port/, 9, 4, 'BETWEEN'],
  ['verdict < dropped', /< makes no sense for verdict, which is a closed set/, 8, 1, '='],
  ['src_address = 10.0.0', /src_address is never "10.0.0"/, 14, 6],
  ['src_address IN 10.0.0.0/33', /src_address is never/, 15, 11],
  ['time > soon', /time is never "soon"/, 7, 4],
  ['verdict', /the filter ends where =, !=, IN/, 7, 0, '='],
  ['verdict =', /the filter ends where a value is expected/, 9, 0],
  ['verdict = dropped AND', /the filter ends where a field is expected/, 21, 0],
  ['verdict = dropped verdict = audit', /"verdict" is not expected here/, 18, 7, 'AND'],
  ['(verdict = dropped', /the filter ends where \)/, 18, 0, ')'],
  ['verdict = dropped)', /"\)" is not expected here/, 17, 1],
  ["src_pod = 'open", /has no closing '/, 10, 5, "'"],
  ['src_pod ! a', /! alone means nothing/, 8, 1, '!='],
  ['src_pod IN (a, ', /the filter ends where a value is expected/, 15, 0],
  ["src_pod LIKE 'a\\'", /backslash that escapes nothing/, 13, 4],
  ['constructor = 1', /there is no field constructor/, 0, 11],
  ['('.repeat(60), /nested deeper than 50/, 50, 1],
  [`src_pod IN (${Array.from({ length: 1001 }, () => 'a').join(',')})`, /a list of 1001 values, at most 1000 expected/, 2013, 1],
  [`src_pod = ${'a'.repeat(9000)}`, /the filter has 9010 bytes, at most 8192 expected/, 8192, 0],
]
for (const [text, message, offset, length, expected] of misunderstood)
  test(`says what is wrong with ${text.slice(0, 60)}`, t => {
    const error = t.throws(() => parseFilter(text, fields, now), { instanceOf: FilterError, message })
    t.deepEqual({ ...error.position }, { ...error.position, offset, length })
    if (expected) t.true(error.expected.includes(expected), error.expected.join())
  })

const completions: [text: string, offset: number, some: string[]][] = [
  ['', 0, ['verdict', 'src_workload']],
  ['src_work', 0, ['src_workload', 'src_workload_kind']],
  ['verdict ', 8, ['=', '!=', 'IN', 'IS EMPTY']],
  ['verdict = ', 10, ['dropped', 'forwarded']],
  ['verdict = dr', 10, ['dropped']],
  ["verdict = 'dr", 10, ['dropped']],
  ['verdict IN (dropped, f', 21, ['forwarded']],
  ['verdict = dropped ', 18, ['AND', 'OR']],
  ['(verdict = dropped ', 19, [')', 'AND', 'OR']],
  ['verdict = dropped AND dst_na', 22, ['dst_namespace']],
  ['encrypted = ', 12, ['true', 'false']],
]
const spanCompletions: [text: string, offset: number, some: string[]][] = [
  ["attributes['x'] ", 16, ['=', 'LIKE', 'IS EMPTY']],
  ["attributes['x'] = a ", 20, ['AND', 'OR']],
]
for (const [text, offset, some] of completions)
  test(`completes ${JSON.stringify(text)}`, t => {
    const completion = complete(text, text.length, fields)
    t.is(completion.offset, offset)
    const texts = completion.candidates.map(candidate => candidate.text)
    for (const candidate of some) t.true(texts.includes(candidate), texts.join(' '))
  })

for (const [text, offset, some] of spanCompletions)
  test(`completes ${JSON.stringify(text)}`, t => {
    const completion = complete(text, text.length, kinds.span.fields)
    t.is(completion.offset, offset)
    for (const candidate of some)
      t.true(
        completion.candidates.some(({ text }) => text === candidate),
        candidate,
      )
  })

test('completes nothing after a mistake', t => t.deepEqual(complete('nonsense = 1 AND ', 17, fields).candidates, []))
