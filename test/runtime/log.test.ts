import test from 'ava'
import fc from 'fast-check'
import { describe, openLog } from '../../runtime/log.ts'

function logged(pretty: boolean) {
  const lines: string[] = []
  return { lines, log: openLog({ level: 'debug', pretty, write: line => void lines.push(line) }) }
}

test('whatever the context, an entry is one line of JSON with time, level and message of its own', t => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true })), fc.string(), (context, message) => {
      const { lines, log } = logged(false)
      log.info({ ...context, time: 'mine', level: 'mine', message: 'mine' }, message)
      const entry = JSON.parse(lines[0]) as Record<string, string>
      t.is(lines.length, 1)
      t.false(lines[0].includes('\n'))
      t.is(entry.level, 'info')
      t.regex(entry.time, /^\d{4}-\d\d-\d\dT/)
    }),
  )
})

test('what JSON cannot say is said as text', t => {
  const circular: { self?: unknown } = {}
  circular.self = circular
  const { lines, log } = logged(false)
  log.warn({ circular, big: 2n ** 70n, nothing: undefined, nested: { error: new Error('inner') } }, 'odd')
  const { circular: text, big, nested } = JSON.parse(lines[0]) as Record<string, unknown>
  t.regex(String(text), /cannot be written/)
  t.is(big, '1180591620717411303424')
  t.deepEqual(nested, { error: 'inner' })
})

test('a readable line stays one line and moves no cursor', t => {
  const { lines, log } = logged(true)
  log.child({ service: 'serve' }).error({ error: new Error('first\nsecond'), name: '\u001b[2J', n: 1 }, 'it failed')
  t.regex(lines[0], /^\d\d:\d\d:\d\d\.\d{3} error \[serve\] it failed error="first\\nsecond" name="\\u001b\[2J" n=1$/)
})

test('passwords in addresses are not logged', t => {
  for (const pretty of [true, false]) {
    const { lines, log } = logged(pretty)
    const cause = new Error('connect http://weir:hunter2@db:8123 failed')
    log.error({ url: 'https://weir:hunt/er2@db', error: new Error('no', { cause }), query: '/?user=a&password=hunter2&x=1' }, 'no')
    t.notRegex(lines[0], /hunt/)
    t.regex(lines[0], /http:\/\/\(hidden\)@db:8123/)
    t.regex(lines[0], /x=1/)
  }
})

test('entries below the level are not written', t => {
  const lines: string[] = []
  const log = openLog({ level: 'warn', pretty: false, write: line => void lines.push(line) })
  log.info({}, 'no')
  log.child({ a: 1 }).warn({}, 'yes')
  t.is(lines.length, 1)
  t.is((JSON.parse(lines[0]) as { a: number }).a, 1)
})

test('an error is told with its causes, however they are nested', t => {
  const loop = new Error('loop')
  loop.cause = loop
  t.regex(describe(loop), /^loop: loop/)
  t.is(describe(new Error('cannot read', { cause: Object.assign(new Error(''), { code: 'ECONNREFUSED' }) })), 'cannot read: ECONNREFUSED')
  t.is(describe('text'), 'text')
})
