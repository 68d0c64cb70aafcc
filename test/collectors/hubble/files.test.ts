import { appendFile, copyFile, mkdtemp, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { hubbleFiles } from '../../../collectors/hubble/files.ts'
import { readLine } from '../../../collectors/hubble/json.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { responseType } from './reference.ts'
import { deadLetters, published, start } from './running.ts'

const line = (number: number) =>
  JSON.stringify({
    flow: {
      uuid: `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`,
      verdict: 'FORWARDED',
      time: timeOf(number),
      node_name: 'a',
    },
    node_name: 'a',
    time: timeOf(number),
  }) + '\n'
const timeOf = (number: number) => new Date(1.79e12 + number * 1000).toISOString()
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => line(from + index)).join('')

async function openDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'weir-files-'))
  return { path: join(directory, 'events.log'), [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

async function numbersOf(bus: Parameters<typeof published>[0]) {
  return (await published(bus, 'flow')).map(record => (Number(record.time) / 1000 - 1.79e12) / 1000).sort((a, b) => a - b)
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

const rotations: Record<string, (path: string) => Promise<void>> = {
  'renamed and made anew': async path => {
    await rename(path, path.replace('.log', '-2026-11-21T10-00-00.000.log'))
    await writeFile(path, lines(20, 30))
  },
  'copied and truncated': async path => {
    await copyFile(path, `${path}.1`)
    await truncate(path)
    await appendFile(path, lines(20, 30))
  },
}
for (const [how, rotate] of Object.entries(rotations))
  test(`a file that is ${how} is followed, and nothing is read twice`, async t => {
    await using bus = await openTestBus()
    await using file = await openDirectory()
    await writeFile(file.path, lines(0, 10))
    await using _running = start(hubbleFiles, { paths: [file.path] }, bus.bus)
    await until('ten flows', async () => (await numbersOf(bus.bus)).length === 10)
    await appendFile(file.path, lines(10, 20))
    await rotate(file.path)
    await until('thirty flows', async () => (await numbersOf(bus.bus)).length >= 30)
    await appendFile(file.path, lines(30, 40))
    await until('forty flows', async () => (await numbersOf(bus.bus)).length >= 40)
    t.deepEqual(await numbersOf(bus.bus), upTo(40))
  })

test('a restart reads on where the bus says it was, through a rotation it did not see', async t => {
  await using bus = await openTestBus()
  await using file = await openDirectory()
  await writeFile(file.path, lines(0, 10))
  const first = start(hubbleFiles, { paths: [file.path] }, bus.bus)
  await until('ten flows', async () => (await numbersOf(bus.bus)).length === 10)
  await first.kill()
  await appendFile(file.path, lines(10, 20))
  await rename(file.path, file.path.replace('.log', '-1.log'))
  await writeFile(file.path, lines(20, 25))
  await using _second = start(hubbleFiles, { paths: [file.path] }, bus.bus)
  await until('all flows', async () => (await numbersOf(bus.bus)).length >= 25)
  t.deepEqual(await numbersOf(bus.bus), upTo(25))
})

test('a bad line is counted and kept, a line of another event is counted, and a half line waits for its end', async t => {
  await using bus = await openTestBus()
  await using file = await openDirectory()
  await writeFile(file.path, `level=warning msg="not json"\n{"agent_event":{"type":"AGENT_STARTED"}}\n${line(0)}${line(1).slice(0, 30)}`)
  await using running = start(hubbleFiles, { paths: [file.path] }, bus.bus)
  await until('the flow', async () => (await numbersOf(bus.bus)).length === 1)
  await appendFile(file.path, line(1).slice(30))
  await until('the other flow', async () => (await numbersOf(bus.bus)).length === 2)
  t.is(running.discarded.get('undecodable'), 1)
  t.is(running.discarded.get('agent_event'), 1)
  t.like((await deadLetters(bus.bus))[0], { body: 'level=warning msg="not json"' })
})

test('a file that is not there yet is waited for, and said to be missing', async t => {
  await using bus = await openTestBus()
  await using file = await openDirectory()
  await using running = start(hubbleFiles, { paths: [file.path] }, bus.bus)
  await until('the reason', () => running.statuses.some(({ reason }) => reason?.includes('ENOENT')))
  await writeFile(file.path, lines(0, 3))
  await until('the flows', async () => (await numbersOf(bus.bus)).length === 3)
  t.true(running.statuses.at(-1)!.ready)
})

const plain = (text: string) => {
  const type = responseType()
  return type.toObject(type.decode(readLine(text).message), { enums: String, longs: String })
}

test('lines are read wrapped or bare, in snake or camel case, enums by name or number', t => {
  const expected = {
    flow: {
      time: { seconds: '1790000000', nanos: 500000000 },
      verdict: 'DROPPED',
      source: { pod_name: 'p' },
      socket_cookie: '18446744073709551615',
      is_reply: {},
    },
  }
  const flow = {
    time: '2026-09-21T14:13:20.5Z',
    verdict: 'DROPPED',
    source: { pod_name: 'p' },
    socket_cookie: '18446744073709551615',
    is_reply: false,
  }
  const camel = {
    time: '2026-09-21T16:13:20.500000000+02:00',
    verdict: 2,
    source: { podName: 'p' },
    socketCookie: '18446744073709551615',
    isReply: false,
  }
  for (const form of [flow, camel, { flow }, { flow: camel }]) t.deepEqual(plain(JSON.stringify(form)), expected)
})

for (const bad of [
  '',
  'x',
  '[]',
  '7',
  '{}',
  '{"flow":{"time":"yesterday"}}',
  '{"flow":{"IP":"10.0.0.1"}}',
  '{"flow":{"l4":{"TCP":{"source_port":"x"}}}}',
])
  test(`${JSON.stringify(bad)} is no line of Hubble's`, t => {
    t.throws(() => readLine(bad), { instanceOf: UndecodableError })
  })

const recordings = join(process.env.WEIR_FIXTURES ?? '../shared/fixtures', 'hubble')

test('recorded lines become the messages they were recorded as', async t => {
  const names = (await readdir(recordings).catch(() => [])).filter(name => name.endsWith('.json'))
  if (!names.length) {
    t.log(`no recordings in ${recordings}: skipped`)
    return process.env.CI ? t.fail() : t.pass()
  }
  for (const name of names) {
    const encoded = await readFile(join(recordings, 'encoded', name.replace('.json', '.GetFlowsResponse.delimited.bin'))).catch(
      () => undefined,
    )
    const texts = (await readFile(join(recordings, name), 'utf8')).split('\n').filter(Boolean)
    const messages = texts.map(text => readLine(text).message)
    if (!encoded) continue
    const reader = { bytes: encoded, at: 0 }
    for (const message of messages) {
      const recorded = nextMessage(reader)
      t.deepEqual(responseType().decode(message), responseType().decode(recorded))
    }
  }
})

function nextMessage(reader: { bytes: Buffer; at: number }): Buffer {
  let length = 0
  for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
    byte = reader.bytes[reader.at++]
    length |= (byte & 127) << shift
  }
  return reader.bytes.subarray(reader.at, (reader.at += length))
}
