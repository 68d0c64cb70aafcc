import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type RequestOptions, request } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import test from 'ava'
import { type HttpOptions, type Posted, listenHttp } from '../../../collectors/listen/http.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { openLog } from '../../../runtime/log.ts'
import { makeCertificates } from '../../helpers/kafka/certificates.ts'

const run = promisify(execFile)

/** A server that keeps what it is given. */
async function open(options: Partial<HttpOptions> = {}) {
  const posted: Posted[] = []
  const discarded: [number, string][] = []
  const server = await listenHttp({
    setting: 'collect.test',
    log: openLog({ write: () => {} }),
    instruments: { received: () => {}, sent: () => {}, discarded: (count, reason) => void discarded.push([count, reason]) },
    receivers: {
      '/take': async request => {
        posted.push(request)
        return { status: 202, headers: { 'x-taken': String(request.body.length) }, body: 'taken' }
      },
      '/fail': async () => {
        throw new Error('cannot')
      },
    },
    ...options,
    listen: { port: 0, ...options.listen },
  })
  const post = (url: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${server.port}${url}`, { method: 'POST', body: body as string, headers })
  return { posted, discarded, post, port: server.port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function directory(): Promise<{ at(name: string): string } & AsyncDisposable> {
  const place = await mkdtemp(path.join(tmpdir(), 'weir-http-'))
  return { at: name => path.join(place, name), [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }) }
}

test('a body reaches its receiver as it was before it was compressed', async t => {
  await using to = await open()
  const body = Buffer.from('hello '.repeat(1000))
  const encodings: [string | undefined, Buffer][] = [
    [undefined, body],
    ['identity', body],
    ['gzip', gzipSync(body)],
    ['GZIP', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['zstd', zstdCompressSync(body)],
  ]
  for (const [encoding, sent] of encodings) {
    const answer = await to.post('/take?x=1', sent, encoding ? { 'content-encoding': encoding } : {})
    t.is(answer.status, 202)
    t.is(answer.headers.get('x-taken'), '6000')
    t.is(await answer.text(), 'taken')
  }
  t.true(to.posted.every(posted => posted.body.equals(body) && posted.path === '/take' && /^127\.0\.0\.1:\d+$/.test(posted.peer)))
  t.deepEqual(to.discarded, [])
})

test('an encoding its receiver reads itself is left alone', async t => {
  await using to = await open({ ownEncoding: 'snappy' })
  await to.post('/take', 'raw', { 'content-encoding': 'snappy' })
  t.is(to.posted[0].body.toString(), 'raw')
})

const bomb = gzipSync(Buffer.alloc(1 << 22))
const refused: Record<string, [url: string, body: Buffer | string, headers: Record<string, string>, status: number, reason?: string]> = {
  'a body that is too large': ['/take', Buffer.alloc(5000), {}, 413, 'too_large'],
  'a body that is too large once it is decompressed': ['/take', bomb, { 'content-encoding': 'gzip' }, 413, 'too_large'],
  'a body that is no gzip': ['/take', 'hello', { 'content-encoding': 'gzip' }, 400, 'undecodable'],
  'a body that ends within its gzip': [
    '/take',
    gzipSync(Buffer.from('hello')).subarray(0, 15),
    { 'content-encoding': 'gzip' },
    400,
    'undecodable',
  ],
  'an encoding nobody reads': ['/take', brotliCompressSync(Buffer.from('x')), { 'content-encoding': 'br' }, 415, 'undecodable'],
  'a path nobody listens at': ['/nothing', 'x', {}, 404],
  'a path that every object has': ['/constructor', 'x', {}, 404],
}

for (const [what, [url, body, headers, status, reason]] of Object.entries(refused))
  test(`${what} is refused with ${status}${reason ? ', and counted' : ''}; the next request is served`, async t => {
    await using to = await open({ listen: { max_message_bytes: 4096 } })
    const answer = await to.post(url, body, headers)
    t.is(answer.status, status)
    t.regex(await answer.text(), /\n$/)
    t.deepEqual(to.discarded, reason ? [[1, reason]] : [])
    t.is((await to.post('/take', 'x')).status, 202)
    t.is(to.posted.length, 1)
  })

test('a body without a length that grows too large is refused while it comes', async t => {
  await using to = await open({ listen: { max_message_bytes: 4096 } })
  const socket = connect(to.port, '127.0.0.1')
  socket.write('POST /take HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  for (let i = 0; i < 8; i++) socket.write(`400\r\n${'x'.repeat(1024)}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.regex(answer.toString(), /^HTTP\/1\.1 413 /)
  socket.destroy()
})

test('anything but POST is refused with 405', async t => {
  await using to = await open()
  const answer = await fetch(`http://127.0.0.1:${to.port}/take`)
  t.is(answer.status, 405)
  t.is(answer.headers.get('allow'), 'POST')
})

test('a receiver that fails answers 500, and says nothing of why', async t => {
  await using to = await open()
  const answer = await to.post('/fail', 'x')
  t.is(answer.status, 500)
  t.is(await answer.text(), 'weir failed\n')
})

test('a protocol may say no in its own words', async t => {
  await using to = await open({
    refusal: (answer, message, contentType) => ({
      ...answer,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message, contentType }),
    }),
  })
  const answer = await to.post('/take', 'x', { 'content-encoding': 'gzip', 'content-type': 'text/x' })
  t.is(answer.status, 400)
  t.deepEqual(await answer.json(), { message: 'the body is no gzip', contentType: 'text/x' })
})

test('while too much is being taken, senders are told to come again', async t => {
  const gate = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const receivers: HttpOptions['receivers'] = {
    '/take': async () => {
      entered.resolve()
      await gate.promise
      return { status: 200 }
    },
  }
  await using to = await open({ maxBytesUnderWay: 1000, receivers })
  const first = to.post('/take', Buffer.alloc(1000))
  await entered.promise
  const second = await to.post('/take', 'x')
  t.is(second.status, 503)
  t.is(second.headers.get('retry-after'), '1')
  gate.resolve()
  t.is((await first).status, 200)
  t.is((await to.post('/take', 'x')).status, 200)
})

test('only who has one of the tokens may send', async t => {
  await using files = await directory()
  await writeFile(files.at('tokens'), 'first\n  second \n\n')
  await using to = await open({ listen: { token_file: files.at('tokens') } })
  for (const token of ['first', 'second']) t.is((await to.post('/take', 'x', { authorization: `Bearer ${token}` })).status, 202)
  for (const authorization of ['Bearer third', 'Bearer ', 'first', 'Bearer first2', 'Basic Zmlyc3Q='])
    t.is((await to.post('/take', 'x', { authorization })).status, 401)
  const without = await to.post('/take', 'x')
  t.is(without.status, 401)
  t.is(without.headers.get('www-authenticate'), 'Bearer')
  t.is(to.posted.length, 2)
})

test('what it cannot listen with is said before anything is taken, by its key', async t => {
  await using files = await directory()
  await writeFile(files.at('empty'), '\n')
  await using to = await open()
  const wrong: [HttpOptions['listen'], RegExp][] = [
    [{ port: to.port }, /^collect\.test\.port: cannot listen on port \d+/],
    [{ token_file: files.at('none') }, /^collect\.test\.token_file: expected a file that can be read/],
    [{ token_file: files.at('empty') }, /^collect\.test\.token_file: expected a token a line/],
    [{ tls: { cert: files.at('none'), key: files.at('none') } }, /^collect\.test\.tls\.cert: expected a file that can be read/],
  ]
  for (const [listen, message] of wrong) await t.throwsAsync(open({ listen }), { instanceOf: ConfigError, message })
})

test('with an authority for clients, only who has a certificate of it is heard, and over TLS alone', async t => {
  const hasOpenssl = await run('openssl', ['version']).then(
    () => true,
    () => false,
  )
  if (!hasOpenssl && !process.env.CI) {
    t.log('skipped: there is no openssl')
    return t.pass()
  }
  await using files = await directory()
  const { ca, client } = await makeCertificates(path.dirname(files.at('ca.pem')))
  const tls = { cert: files.at('broker.pem'), key: files.at('broker.key'), client_ca: ca }
  await using to = await open({ listen: { tls } })
  const options: RequestOptions = { host: '127.0.0.1', port: to.port, path: '/take', method: 'POST', ca: await readFile(ca) }
  const own = { cert: await readFile(client.cert), key: await readFile(client.key) }
  t.is(await statusOf({ ...options, ...own }), 202)
  await t.throwsAsync(statusOf(options))
  await t.throwsAsync(fetch(`http://127.0.0.1:${to.port}/take`, { method: 'POST', body: 'x' }))
  t.is(to.posted.length, 1)
})

/** Of a POST over TLS. */
function statusOf(options: RequestOptions): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const sent = request({ ...options, agent: false }, answer => {
    answer.resume()
    resolve(answer.statusCode)
  })
  sent.on('error', reject)
  sent.end('hello')
  return promise
}
