import { appendFile, copyFile, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { type AccessLogOptions, accessLog } from '../../../collectors/access_log/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { cri, docker, istioLine, mixed, numberOfId, tcpLine } from './lines.ts'

const folder = 'shop_web-7d9c-x2x_0a1b2c3d-0000-4000-8000-000000000000/istio-proxy'

async function openDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'weir-access-log-'))
  const path = join(directory, 'pods', folder, '0.log')
  await mkdir(dirname(path), { recursive: true })
  return {
    directory,
    path,
    pattern: join(directory, 'pods/*/istio-proxy/*.log'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

const requests = async (bus: Bus) => (await published(bus, 'request')).map(row => numberOfId(String(row.request_id))).sort((a, b) => a - b)
/** Numbers of connections, each as often as there is a row of its way there. */
const connections = async (bus: Bus) => {
  const rows = (await published(bus, 'flow')).filter(row => row.is_reply === 'no')
  return rows.map(row => Number(row.bytes) - 1).sort((a, b) => a - b)
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)
const has = (bus: Bus, count: number) => async () => (await requests(bus)).length >= count && (await connections(bus)).length >= count

test('a container log is followed to the bus, and its pod is the claim of its own end', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  await writeFile(files.path, mixed(0, 5))
  await using running = start(accessLog, { paths: [files.pattern], cluster: 'home', node: 'node-1' }, bus.bus)
  await until('five of each', has(bus.bus, 5))
  await appendFile(files.path, `${cri('2026-11-21T08:00:00.1Z\tinfo\txdsproxy\tconnected')}\n${mixed(5, 10)}`)
  await until('ten of each', has(bus.bus, 10))
  t.deepEqual(await requests(bus.bus), upTo(10))
  const [request] = await published(bus.bus, 'request')
  t.like(request, {
    source: 'access_log',
    cluster: 'home',
    reporter: 'shop/web-7d9c-x2x',
    reporter_kind: 'sidecar',
    direction: 'egress',
    src_namespace: 'shop',
    src_pod: 'web-7d9c-x2x',
    src_node: 'node-1',
    src_address: '10.244.0.7',
    dst_address: '10.244.0.9',
    dst_service: 'shop/details',
  })
  t.is(running.discarded.get('unknown_kind'), 1)
})

const rotations: Record<string, (path: string) => Promise<void>> = {
  'renamed as the kubelet does': async path => {
    await rename(path, `${path}.20261121-100000`)
    await writeFile(path, mixed(20, 30))
  },
  'copied and truncated': async path => {
    await copyFile(path, `${path}.1`)
    await truncate(path)
    await appendFile(path, mixed(20, 30))
  },
}
for (const [how, rotate] of Object.entries(rotations))
  test(`of a file that is ${how} no line is lost or read twice`, async t => {
    await using bus = await openTestBus()
    await using files = await openDirectory()
    await writeFile(files.path, mixed(0, 10))
    await using _running = start(accessLog, { paths: [files.pattern] }, bus.bus)
    await until('ten', has(bus.bus, 10))
    await appendFile(files.path, mixed(10, 20))
    await rotate(files.path)
    await until('thirty', has(bus.bus, 30))
    await appendFile(files.path, mixed(30, 40))
    await until('forty', has(bus.bus, 40))
    t.deepEqual(await requests(bus.bus), upTo(40))
    t.deepEqual(await connections(bus.bus), upTo(40))
  })

for (const [how, rotate] of Object.entries(rotations))
  test(`a collector that was killed goes on exactly where the bus says it was, in a file that was ${how} meanwhile`, async t => {
    await using bus = await openTestBus()
    await using files = await openDirectory()
    await writeFile(files.path, mixed(0, 10))
    const first = start(accessLog, { paths: [files.pattern] }, bus.bus, { rowsPerBlock: 4 })
    await until('some', has(bus.bus, 3))
    await first.kill()
    await appendFile(files.path, mixed(10, 20))
    await rotate(files.path)
    await using _second = start(accessLog, { paths: [files.pattern] }, bus.bus)
    await until('thirty', has(bus.bus, 30))
    t.deepEqual(await requests(bus.bus), upTo(30))
    t.deepEqual(await connections(bus.bus), upTo(30))
  })

test('kills at any moment neither lose nor double a line', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  const total = 600
  await writeFile(files.path, '')
  for (let round = 0; round < 6; round++) {
    const running = start(accessLog, { paths: [files.pattern] }, bus.bus, { rowsPerBlock: 7 })
    await appendFile(files.path, mixed((round * total) / 6, ((round + 1) * total) / 6))
    if (round === 2) await rename(files.path, `${files.path}.20261121-10000${round}`).then(() => writeFile(files.path, ''))
    await new Promise(resolve => setTimeout(resolve, 60 + round * 37))
    await running.kill()
  }
  await using _last = start(accessLog, { paths: [files.pattern] }, bus.bus)
  await until('all', has(bus.bus, total))
  t.deepEqual(await requests(bus.bus), upTo(total))
  t.deepEqual(await connections(bus.bus), upTo(total))
})

test('files that come while it runs are followed, by links too, and each is read once', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  const link = join(files.directory, `web-7d9c-x2x_shop_istio-proxy-${'ab'.repeat(32)}.log`)
  await using _running = start(accessLog, { paths: [files.pattern, join(files.directory, '*_istio-proxy-*.log')] }, bus.bus)
  await writeFile(files.path, mixed(0, 3))
  await symlink(files.path, link)
  await until('three', has(bus.bus, 3))
  await writeFile(files.path.replace('0.log', '1.log'), mixed(3, 6))
  await until('six', has(bus.bus, 6))
  await new Promise(resolve => setTimeout(resolve, 1500))
  t.deepEqual(await requests(bus.bus), upTo(6))
})

test('parts of lines are joined, whoever split them, and what is too long is counted', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  const parted = (number: number, split: (from: string, to: string) => string[]) => {
    const line = istioLine(number)
    return split(line.slice(0, 100), line.slice(100))
  }
  const lines = [
    ...parted(0, (from, to) => [cri(from, 'P'), cri('a word on stderr', 'F', 'stderr'), cri(to)]),
    ...parted(1, (from, to) => [docker(from), docker(`${to}\n`)]),
    docker(`${istioLine(2)}\n`),
    istioLine(3),
    cri('x'.repeat(5000), 'P'),
    cri('y', 'F'),
    'z'.repeat(20_000),
    istioLine(4),
  ]
  await writeFile(files.path, lines.map(line => `${line}\n`).join(''))
  const options: AccessLogOptions = { paths: [files.pattern], max_line_bytes: 4096 }
  await using running = start(accessLog, options, bus.bus)
  await until('five', async () => (await requests(bus.bus)).length >= 5)
  t.deepEqual(await requests(bus.bus), upTo(5))
  t.is(running.discarded.get('too_large'), 2)
  t.is(running.discarded.get('unknown_kind'), 1)
})

test('a line that breaks off is counted and kept, and those after it are read', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  const broken = istioLine(0).slice(0, 120)
  await writeFile(files.path, `${broken}\n${istioLine(1)}\n${tcpLine(1)}\n`)
  await using running = start(accessLog, { paths: [files.path] }, bus.bus)
  await until('the other', async () => (await requests(bus.bus)).length === 1)
  t.is(running.discarded.get('undecodable'), 1)
  await until('the letter', async () => (await deadLetters(bus.bus)).length === 1)
  t.is((await deadLetters(bus.bus))[0].body, broken)
})

test('more files than allowed are told, and followed once there is room', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  const other = files.path.replace('0.log', '1.log')
  await writeFile(files.path, mixed(0, 3))
  await using running = start(accessLog, { paths: [files.pattern], max_files: 1 }, bus.bus)
  await until('three', has(bus.bus, 3))
  await writeFile(other, mixed(3, 6))
  await until('the reason', () => running.statuses.some(({ reason }) => reason === '1 files more than max_files match'))
  await rm(files.path)
  await until('six', has(bus.bus, 6))
  t.deepEqual(await requests(bus.bus), upTo(6))
})

test('a file that is old and was never read is begun at its end', async t => {
  await using bus = await openTestBus()
  await using files = await openDirectory()
  await writeFile(files.path, mixed(0, 3))
  await utimes(files.path, new Date(0), new Date(Date.now() - 3_600_000))
  await using running = start(accessLog, { paths: [files.pattern], history: 60 }, bus.bus)
  await until('it is open', () => running.statuses.length >= 2)
  await appendFile(files.path, mixed(3, 5))
  await until('two', has(bus.bus, 2))
  t.deepEqual(await requests(bus.bus), [3, 4])
})

test('a format with a mistake is refused with its place', async t => {
  await using bus = await openTestBus()
  const message = 'collect.access_log.formats.0: expected %OPERATOR%, %OPERATOR(…)% or %% at position 13'
  const running = start(accessLog, { paths: ['/nowhere'], formats: ['%START_TIME% %REQ(:METHOD)'] }, bus.bus)
  await t.throwsAsync(running[Symbol.asyncDispose](), { message })
})
