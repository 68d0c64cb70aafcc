import { readFile } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { decompress, tooLarge } from '../listen/decompress.ts'
import type { TlsOptions } from '../address.ts'

/** What is asked for, best first: protobuf alone has native histograms. */
const accept = [
  'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.8',
  'application/openmetrics-text;version=1.0.0;q=0.6',
  'text/plain;version=0.0.4;q=0.4',
  '*/*;q=0.1',
].join(',')

export const expositionFormats = ['protobuf', 'openmetrics', 'text'] as const
export type ExpositionFormat = (typeof expositionFormats)[number]

export interface FetchOptions {
  tls?: TlsOptions
  /** A file with a bearer token, read anew each time. */
  tokenFile?: string
  timeoutMs: number
  /** Of the body, after it was decompressed. */
  maxBytes: number
  signal: AbortSignal
}

/** Asks a target for its metrics, once. Rejects with what went wrong. */
export async function fetchMetrics(url: string, options: FetchOptions): Promise<{ format: ExpositionFormat; body: Buffer }> {
  const { tls, tokenFile, timeoutMs, maxBytes } = options
  const late = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([late, options.signal])
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
  const headers = {
    accept,
    'accept-encoding': 'gzip',
    'x-prometheus-scrape-timeout-seconds': String(timeoutMs / 1000),
    'user-agent': 'weir',
    ...(token && { authorization: `Bearer ${token}` }),
  }
  const secure = url.startsWith('https:') ? await secureOptions(tls) : {}
  try {
    const response = await ask(url, { headers, signal, agent: false, ...secure })
    if (response.statusCode !== 200) {
      response.destroy()
      throw new Error(`status ${response.statusCode}, expected 200`)
    }
    const format = formatOf(response.headers['content-type'])
    const body = await decompress(await bodyOf(response, maxBytes), response.headers['content-encoding'], maxBytes)
    return { format, body }
  } catch (error) {
    if (late.aborted) throw new Error(`no answer within ${timeoutMs} ms`, { cause: error })
    throw error
  }
}

function ask(url: string, options: https.RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http
    request(url, options, resolve).on('error', reject).end()
  })
}

async function bodyOf(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(tooLarge(maxBytes))
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** By the Content-Type; text where it says nothing. Throws for what is none of them. */
export function formatOf(contentType = ''): ExpositionFormat {
  const [type, ...parameters] = contentType
    .toLowerCase()
    .split(';')
    .map(part => part.trim())
  if (type === 'application/vnd.google.protobuf' && parameters.includes('encoding=delimited')) return 'protobuf'
  if (type === 'application/openmetrics-text') return 'openmetrics'
  if (type === '' || type === 'text/plain' || type === 'application/octet-stream') return 'text'
  throw new Error(`expected metrics, got ${JSON.stringify(contentType.slice(0, 100))}`)
}

async function readToken(file: string): Promise<string> {
  const token = (await readSetting(file)).toString('utf8').trim()
  if (!token) throw new Error(`expected a token in ${file}, got nothing`)
  return token
}

/** Files are read anew each time, so renewed certificates are used. */
async function secureOptions(tls: TlsOptions | undefined): Promise<https.RequestOptions> {
  if (!tls || tls === true) return {}
  const { ca, cert, key, server_name, insecure } = tls
  return {
    ...(ca && { ca: await readSetting(ca) }),
    ...(cert && { cert: await readSetting(cert) }),
    ...(key && { key: await readSetting(key) }),
    ...(server_name && { servername: server_name }),
    rejectUnauthorized: !insecure,
  }
}

const readSetting = (file: string): Promise<Buffer> =>
  readFile(file).catch(error => {
    throw new Error(`cannot read ${file}`, { cause: error })
  })
