import { readFile } from 'node:fs/promises'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { catalog } from '../../schema/catalog.ts'
import { FilterError } from '../../query-api/filter/error.ts'
import type { Level } from '../../query-api/end.ts'
import { complete } from '../../query-api/filter/complete.ts'
import { flowFields } from '../../schema/flow.ts'
import { fixtureDenials, fixtureDrift, fixtureQuality, fixtureSignals, fixtureTopology } from './fixture-answers.ts'
import type { RelatedKind } from '../../query-api/related.ts'
import { type FixtureQuestion, answerOf, factsOf } from './fixture-query.ts'
import { recordOf, relatedOf } from './fixture-records.ts'

type Parameters = Readonly<Record<string, string>>

/** A web server with the app and a query API that answers from a made-up shop. */
export async function openFixtureApi({ files, port = 0 }: { files: string; port?: number }): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => void answer(request, response, files))
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, files: string): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  if (!pathname.startsWith('/api/v1/')) return sendFile(response, files, pathname)
  const path = pathname.slice('/api/v1/'.length)
  try {
    if (path === 'live') return live(response)
    const body = request.method === 'POST' ? (JSON.parse(await read(request)) as FixtureQuestion) : undefined
    sendJson(response, 200, body ? answerOf(body) : found(path, Object.fromEntries(searchParams)))
  } catch (error) {
    const { message } = error as Error
    const place =
      error instanceof FilterError ? { position: error.position.offset, length: error.position.length, expected: error.expected } : {}
    sendJson(response, 400, { error: { code: error instanceof FilterError ? 'bad_filter' : 'bad_request', message, ...place } })
  }
}

function found(
  path: string,
  { from = 'now-15m', to = 'now', where = '', level = 'workload', limit = '200', position }: Parameters,
): object {
  const asked = { from, to, where }
  const [page, kind, id] = path.split('/') as [string, RelatedKind?, string?]
  if (page === 'records' && kind && id) return relatedOf(kind, decodeURIComponent(id))
  if (page === 'records' && kind) {
    const facts = factsOf(asked).slice(-Number(limit))
    return { rows: facts.map(fact => recordOf(kind, fact)).reverse() }
  }
  switch (path) {
    case 'catalog':
      return catalog()
    case 'complete':
      return complete(where, Number(position ?? where.length), flowFields)
    case 'topology':
      return fixtureTopology(asked, level as Level)
    case 'signals':
      return fixtureSignals(asked)
    case 'denials':
      return fixtureDenials(asked)
    case 'drift':
      return fixtureDrift(asked)
    case 'quality':
      return fixtureQuality()
    default:
      throw new Error(`nothing is at ${path}`)
  }
}

function live(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => {
    for (const fact of factsOf({ from: 'now-10s', to: 'now' }, 10))
      response.write(`event: record\ndata: ${JSON.stringify(recordOf('flow', { ...fact, time: Date.now() }))}\n\n`)
  }, 500)
  response.on('close', () => clearInterval(timer))
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

async function sendFile(response: ServerResponse, files: string, pathname: string): Promise<void> {
  const path = pathname === '/' ? '/index.html' : pathname
  const body = await readFile(join(files, path)).catch(() => undefined)
  response.writeHead(body ? 200 : 404, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(body ?? 'not found')
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
