import { X509Certificate, constants } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Address } from '../address.ts'

/** Files of an X.509-SVID that SPIRE regards as an administrator's, in PEM format. */
export interface AdminSvid {
  cert: string
  key: string
  /** The trust bundle. */
  ca: string
}

const connectTimeoutMs = 10_000

/**
 * Connects to the API of a SPIRE server: on its socket, which lets in whoever may open it, or over mutual TLS. The server proves to be the
 * one of our own trust domain by its SPIFFE ID; it has no other name. Files are read anew each time, so renewed ones are used.
 */
export async function connectSpire(address: Address, svid: AdminSvid | undefined): Promise<Duplex> {
  if ('path' in address || !svid) return established(net.connect(address), 'connect')
  const [cert, key, ca] = await Promise.all([svid.cert, svid.key, svid.ca].map(readPem))
  const server = `spiffe://${trustDomainOf(cert)}/spire/server`
  const socket = tls.connect({
    ...address,
    cert,
    key,
    ca,
    ALPNProtocols: ['h2'],
    // SPIRE 1.14 built with Go 1.26 resets clients of OpenSSL that speak TLS 1.3 or ask for a session ticket.
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
    checkServerIdentity: (_, { subjectaltname = '' }) =>
      spiffeIdIn(subjectaltname) === server
        ? undefined
        : new Error(`expected ${server}, got a certificate for ${subjectaltname || 'nobody'}`),
  })
  return established(socket, 'secureConnect')
}

const readPem = (file: string) =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${file} (${error.code})`)
  })

function trustDomainOf(cert: string): string {
  const id = spiffeIdIn(new X509Certificate(cert).subjectAltName ?? '')
  if (!id) throw new Error('our certificate has no SPIFFE ID')
  return new URL(id).host
}

const spiffeIdIn = (names: string) => /(?:^|, )URI:"?(spiffe:\/\/[^",]+)/.exec(names)?.[1]

function established(socket: net.Socket, event: 'connect' | 'secureConnect'): Promise<Duplex> {
  socket.setNoDelay()
  const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  socket.once(event, () => resolve(socket))
  socket.once('error', reject)
  return promise.finally(() => {
    clearTimeout(timer)
    socket.off('error', reject)
  })
}
