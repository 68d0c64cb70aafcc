import { readFile } from 'node:fs/promises'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { ConfigError } from '../runtime/error.ts'

/** TLS towards an agent; `true` trusts the certificate authorities of the system. */
export type TlsOptions =
  | boolean
  | {
      /** Files in PEM format. */
      ca?: string
      cert?: string
      key?: string
      /** Name the certificate must be for; the host of the address when absent. */
      server_name?: string
      /** Accept any certificate. */
      insecure?: boolean
    }

export const tlsSchema = {
  expected: 'true, false, or an object with ca, cert, key, server_name, insecure',
  description: 'TLS: true trusts the certificate authorities of the system.',
  anyOf: [
    { type: 'boolean' },
    {
      type: 'object',
      additionalProperties: false,
      properties: {
        ca: { type: 'string', description: 'PEM file of the certificate authorities to trust.' },
        cert: { type: 'string', description: 'PEM file of our certificate, for mutual TLS; needs the key.' },
        key: { type: 'string', description: 'PEM file of its key.' },
        server_name: { type: 'string', description: 'Name the certificate must be for; the host of the address by default.' },
        insecure: { type: 'boolean', default: false, description: 'Accept any certificate.' },
      },
      dependentRequired: { cert: ['key'], key: ['cert'] },
    },
  ],
}

/** host:port, [address]:port or unix:///path. */
export type Address = { path: string } | { host: string; port: number }

/** `setting` is the key of the configuration an error names. Throws ConfigError. */
export function parseAddress(text: string, setting: string): Address {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1]
  if (path) return { path }
  const parts = /^(?:\[([0-9a-f:.%]+)\]|([^:/[\]\s]+)):(\d{1,5})$/i.exec(text)
  const port = Number(parts?.[3])
  if (!parts || port < 1 || port > 65535)
    throw new ConfigError(`${setting}: expected host:port or unix:///path, got ${JSON.stringify(text)}`)
  return { host: parts[1] ?? parts[2], port }
}

/** The addresses of one setting, each once: a list, or text with commas. Throws ConfigError for what is none. */
export function parseAddresses(value: string | readonly string[], setting: string): string[] {
  const all = [value].flat().flatMap(text => text.split(','))
  const addresses = new Set(all.map(text => text.trim()).filter(Boolean))
  for (const address of addresses) parseAddress(address, setting)
  return [...addresses]
}

export const authorityOf = (address: Address) =>
  'path' in address
    ? 'localhost'
    : 'host' in address && address.host.includes(':')
      ? `[${address.host}]:${address.port}`
      : `${address.host}:${address.port}`

/** Opens the connection, and over it TLS when that is wanted. Files are read anew each time, so renewed certificates are used. */
export async function connect(address: Address, tlsOptions: TlsOptions, timeoutMs = 10_000): Promise<Duplex> {
  const options = tlsOptions ? await secureOptions(address, tlsOptions === true ? {} : tlsOptions) : undefined
  const socket = options ? tls.connect({ ...address, ...options }) : net.connect(address)
  socket.setNoDelay?.(true)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs)
    const settle = (done: () => void) => () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      done()
    }
    socket.once(
      options ? 'secureConnect' : 'connect',
      settle(() => resolve(socket)),
    )
    socket.once('error', error => settle(() => reject(error))())
  })
}

async function secureOptions(address: Address, { ca, cert, key, server_name, insecure }: Exclude<TlsOptions, boolean>) {
  const read = (file: string | undefined) =>
    file === undefined
      ? undefined
      : readFile(file).catch(error => {
          throw new Error(`cannot read ${file}`, { cause: error })
        })
  const host = 'host' in address && !net.isIP(address.host) ? address.host : undefined
  return {
    ca: await read(ca),
    cert: await read(cert),
    key: await read(key),
    servername: server_name ?? host,
    rejectUnauthorized: !insecure,
    ALPNProtocols: ['h2'],
  }
}
