import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { formatOf } from '../../../collectors/prometheus/fetch-metrics.ts'
import { type PrometheusOptions, prometheusSource } from '../../../collectors/prometheus/source.ts'
import { specOf } from '../../../collectors/prometheus/targets.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { makeCertificates } from '../../helpers/kafka/certificates.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, start } from '../hubble/running.ts'
import { delimited } from './protos.ts'
import { collectPoints, serve } from './running.ts'

interface Detail {
  targets: number
  up: number
  scraped: { target: string; up: boolean; series: number; error?: string; format?: string }[]
}

async function run(options: PrometheusOptions) {
  const bus = await openTestBus()
  const { taken, openTaker } = collectPoints()
  const running = start(prometheusSource(openTaker), { interval: 0.05, ...options }, bus.bus)
  return {
    taken,
    running,
    bus: bus.bus,
    status: () => running.statuses.at(-1)!,
    detail: () => running.statuses.at(-1)?.detail as Detail,
    warnings: () => running.log.filter(line => line.includes('"warn"')),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await bus[Symbol.asyncDispose]()
    },
  }
}

test('a target is scraped again and again, and its points say whose they are', async t => {
  const asked: (string | undefined)[] = []
  let value = 0
  await using server = await serve((request, response) => {
    asked.push(request.headers.accept)
    response.setHeader('content-type', 'text/plain; version=0.0.4').setHeader('content-encoding', 'gzip')
    response.end(gzipSync(`# TYPE requests_total counter\nrequests_total{code="200"} ${++value}\n`))
  })
  const targets = [{ address: server.address, path: 'stats/prometheus', job: 'envoy', labels: { namespace: 'shop', pod: 'web-1' } }]
  await using source = await run({ targets, cluster: 'home' })
  await until('three scrapes', () => source.taken.length >= 3)
  t.true(source.taken.every(({ value }, i) => !i || value > source.taken[i - 1].value))
  const [{ time, value: _, ...first }] = source.taken
  t.deepEqual(first, {
    metric: 'requests_total',
    type: 'counter',
    labels: [
      ['code', '200'],
      ['instance', server.address],
      ['job', 'envoy'],
      ['namespace', 'shop'],
      ['pod', 'web-1'],
    ],
    target: { reporter: 'shop/web-1', cluster: 'home' },
  })
  t.true(Math.abs(time / 1000 - Date.now()) < 60_000)
  t.regex(asked[0]!, /^application\/vnd\.google\.protobuf;.*application\/openmetrics-text.*text\/plain/)
  await until('a status', () => source.detail()?.up === 1)
  const [{ target, up, series, format }] = source.detail().scraped
  t.deepEqual([target, up, series, format], [`http://${server.address}/stats/prometheus`, true, 1, 'text'])
})

const answers: Record<string, [contentType: string, body: string | Buffer]> = {
  text: ['text/plain', '# TYPE a_total counter\na_total 5\n'],
  openmetrics: ['application/openmetrics-text; version=1.0.0; charset=utf-8', '# TYPE a counter\na_total 5\n# EOF\n'],
  protobuf: [
    'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
    delimited({ name: 'a_total', type: 'COUNTER', metric: [{ counter: { value: 5 } }] }),
  ],
}

for (const [format, [contentType, body]] of Object.entries(answers))
  test(`a target may answer in ${format}`, async t => {
    await using server = await serve((_, response) => response.setHeader('content-type', contentType).end(body))
    await using source = await run({ targets: [{ url: `http://${server.address}/metrics` }] })
    const [{ metric, type, value }] = await until('a point', () => source.taken.length > 0 && source.taken)
    t.deepEqual([metric, type, value], ['a_total', 'counter', 5])
  })

test('a target that fails is logged once, told in the status, and scraped again', async t => {
  let asked = 0
  await using server = await serve((_, response) => {
    response.statusCode = ++asked < 25 ? 503 : 200
    response.end('a 1\n')
  })
  await using source = await run({ targets: [{ address: server.address }] })
  await until('it to be told', () => source.status()?.reason)
  t.regex(source.status().reason!, /1 of 1 targets fail: http.*: status 503, expected 200/)
  t.false(source.status().ready)
  await until('it to be well again', () => source.detail().up === 1)
  t.true(source.status().ready)
  t.is(source.warnings().length, 1)
  t.true(source.running.log.some(line => line.includes('target answers again')))
})

test('a target that does not answer, or with too much, or with something else, hurts no other', async t => {
  await using slow = await serve(() => {})
  await using large = await serve((_, response) => response.end(`a{x="${'y'.repeat(20_000)}"} 1\n`))
  await using bomb = await serve((_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(1 << 20, 35))))
  await using page = await serve((_, response) => response.setHeader('content-type', 'text/html').end('<html>'))
  await using well = await serve((_, response) => response.end('a 1\n'))
  const all = [slow, large, bomb, page, well]
  const targets = all.map(({ address }) => ({ address }))
  await using source = await run({ targets: [...targets, { address: '127.0.0.1:1' }], interval: 0.3, timeout: 0.5, max_body_bytes: 10_000 })
  const errorOf = ({ address }: { address: string }) => source.detail()?.scraped.find(({ target }) => target.includes(address))?.error
  const told = (server: { address: string }, error: RegExp) => until(`${error}`, () => error.test(errorOf(server) ?? ''))
  await told(slow, /no answer within 500 ms/)
  await told(large, /more than 10000 bytes/)
  await told(bomb, /more than 10000 bytes/)
  await told(page, /expected metrics, got "text\/html"/)
  await until('the other', () => source.taken.length && source.detail().up === 1)
  t.is(errorOf(well), undefined)
  t.regex(source.status().reason!, /^5 of 6 targets fail/)
  t.true(source.status().ready)
  t.true(source.taken.every(({ metric }) => metric === 'a'))
})

test('what is over the limit of series, and what is broken, is counted, told, and kept to look at', async t => {
  await using server = await serve((_, response) => response.end('a 1\nb one\nc 2\nd 3\n'))
  await using source = await run({ targets: [{ address: server.address }], max_series_per_target: 3 })
  await until('two scrapes', () => source.taken.length >= 4)
  await until('dead letters', async () => (await deadLetters(source.bus)).length > 0)
  await until('a status', () => source.detail()?.up)
  const { discarded } = source.running
  t.is(discarded.get('over_limit'), discarded.get('undecodable'))
  t.deepEqual(
    source.taken.slice(0, 2).map(({ metric }) => metric),
    ['a', 'c'],
  )
  t.deepEqual(await deadLetters(source.bus), [{ reason: 'line 2, column 3: expected a number, got "one"', body: 'b one' }])
  t.is(source.detail().scraped[0].error, 'line 2, column 3: expected a number, got "one"')
  t.is(source.warnings().length, 1)
})

test('a bearer token is read for each scrape', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-token-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const token_file = join(directory, 'token')
  await writeFile(token_file, 'first\n')
  const seen = new Set<string | undefined>()
  await using server = await serve((request, response) => {
    seen.add(request.headers.authorization)
    response.end('a 1\n')
  })
  await using source = await run({ targets: [{ address: server.address, token_file }] })
  await until('a scrape', () => source.taken.length)
  await writeFile(`${token_file}.new`, 'second\n')
  await rename(`${token_file}.new`, token_file)
  await until('the second token', () => seen.has('Bearer second'))
  t.deepEqual([...seen], ['Bearer first', 'Bearer second'])
})

test('each address of a host may be a target of its own', async t => {
  await using server = await serve((_, response) => response.end('a 1\n'))
  const port = server.address.split(':')[1]
  await using source = await run({ targets: [{ address: `localhost:${port}`, each_address: true, job: 'j' }] })
  const { labels } = await until('a point', () => source.taken[0])
  t.deepEqual(labels, [
    ['instance', server.address],
    ['job', 'j'],
  ])
})

test('targets of the configuration', t => {
  const urls = [{ url: 'https://a.example/m?x=1' }, { address: 'a:80' }, { address: '[::1]:9090', path: '/x', tls: true }].map(target =>
    specOf(target, 1000),
  )
  t.deepEqual(
    urls.map(({ url }) => url),
    ['https://a.example/m?x=1', 'http://a/metrics', 'https://[::1]:9090/x'],
  )
  t.deepEqual(urls[0].labels, [
    ['instance', 'a.example:443'],
    ['job', 'a.example'],
  ])
  t.throws(() => specOf({ address: 'a' }, 1000), { instanceOf: ConfigError })
})

test('a target may ask for our certificate, and must have one we trust', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-certificates-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const { ca, broker, client } = await makeCertificates(directory)
  const own = await readFile(broker)
  const tls = { key: own, cert: own, ca: await readFile(ca), requestCert: true, rejectUnauthorized: true }
  await using server = await serve((_, response) => response.end('a 1\n'), tls)
  const url = `https://${server.address}/metrics`
  const targets = [
    { url, tls: { ca, ...client } },
    { url, labels: { untrusted: 'yes' }, tls: client },
    { url, tls: { ca } },
  ]
  await using source = await run({ targets })
  await until('all to be told', () => source.detail()?.targets === 3 && source.detail().up === 1)
  t.true(source.taken.every(({ labels }) => labels.every(([name]) => name !== 'untrusted')))
  t.regex(
    source
      .detail()
      .scraped.map(({ error }) => error)
      .join(),
    /self-signed certificate/,
  )
})

test('a password in a URL is used, and told nowhere', async t => {
  let authorization: string | undefined
  await using server = await serve((request, response) => {
    authorization = request.headers.authorization
    response.writeHead(500).end()
  })
  await using source = await run({ targets: [{ url: `http://user:swordfish@${server.address}/metrics` }] })
  await until('a status', () => source.status()?.reason)
  t.is(authorization, `Basic ${Buffer.from('user:swordfish').toString('base64')}`)
  t.false((JSON.stringify(source.running.statuses) + source.running.log.join('')).includes('swordfish'))
})

test('formats by their Content-Type', t => {
  t.is(formatOf(undefined), 'text')
  t.is(formatOf('text/plain; version=0.0.4; charset=utf-8; escaping=underscores'), 'text')
  t.throws(() => formatOf('application/json'))
})
