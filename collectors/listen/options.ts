import { readFileSync } from 'node:fs'
import { timingSafeEqual } from 'node:crypto'
import { ConfigError } from '../../runtime/error.ts'

/** Where a source listens, and whom it listens to. */
export interface ListenOptions {
  host?: string
  port?: number
  tls?: ServerTlsOptions
  /** A file with the bearer tokens senders may use, one a line; anybody may send when absent. */
  token_file?: string
  /** Bytes of one message, after it was decompressed. */
  max_message_bytes?: number
}

export interface ServerTlsOptions {
  /** Files in PEM format. */
  cert: string
  key: string
  /** Senders must have a certificate of one of these authorities. */
  client_ca?: string
}

/** JSON Schema of the options, with the port that is usual for the protocol. */
export const listenProperties = (port: number, maxMessageBytes = 64 << 20) => ({
  host: { type: 'string', default: '127.0.0.1', description: 'Address it listens on.' },
  port: { type: 'integer', minimum: 0, maximum: 65535, default: port, description: 'Its port; 0 for a free one.' },
  tls: {
    type: 'object',
    additionalProperties: false,
    required: ['cert', 'key'],
    description: 'TLS; without it what is sent can be read on its way.',
    properties: {
      cert: { type: 'string', description: 'PEM file of the certificate.' },
      key: { type: 'string', description: 'PEM file of its key.' },
      client_ca: { type: 'string', description: 'PEM file of authorities: senders must have a certificate of one of them.' },
    },
  },
  token_file: {
    type: 'string',
    description: 'File with the bearer tokens senders may use, one a line; anybody may send without it.',
  },
  max_message_bytes: {
    type: 'integer',
    minimum: 1024,
    maximum: 1 << 30,
    default: maxMessageBytes,
    description: 'Bytes of one message at the most, after it was decompressed.',
  },
})

/** Files as TLS servers of Node take them. `setting` is the key of the configuration an error names. Throws ConfigError. */
export function serverTls({ cert, key, client_ca }: ServerTlsOptions, setting: string) {
  const read = (name: string, file: string) => readSetting(`${setting}.tls.${name}`, file)
  return {
    cert: read('cert', cert),
    key: read('key', key),
    ...(client_ca && { ca: read('client_ca', client_ca), requestCert: true, rejectUnauthorized: true }),
  }
}

/** Says of an Authorization header whether its sender may send. Throws ConfigError for a file that cannot be read or is empty. */
export function guardOf(tokenFile: string | undefined, setting: string): (authorization: string | undefined) => boolean {
  if (tokenFile === undefined) return () => true
  const lines = readSetting(`${setting}.token_file`, tokenFile).toString('utf8').split('\n')
  const tokens = lines.map(line => line.trim()).filter(Boolean)
  if (!tokens.length)
    throw new ConfigError(`${setting}.token_file: expected a token a line, got an empty file ${JSON.stringify(tokenFile)}`)
  const expected = tokens.map(token => Buffer.from(`Bearer ${token}`))
  return authorization => {
    const given = Buffer.from(authorization ?? '')
    return expected.some(each => each.length === given.length && timingSafeEqual(each, given))
  }
}

function readSetting(setting: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ConfigError(`${setting}: expected a file that can be read, got ${JSON.stringify(file)}`, { cause: error })
  }
}
