import { type ClusterName, readClusterName } from '../mesh/cluster-name.ts'
import { grpcStatusText, isGrpcServerError } from '../mesh/grpc-status.ts'
import { readIdentity } from '../mesh/identity.ts'
import { type Denial, readDenial } from '../mesh/rbac.ts'
import { failureFlags, flagsText, responseFlags } from '../mesh/response-flags.ts'
import { withoutUser } from '../mesh/secrets.ts'
import { Cursor, bytesType, textAt, varintType } from '../protobuf/cursor.ts'
import { Interner } from '../protobuf/interner.ts'
import { type Claims, claimsIn } from './claims.ts'
import { type Name, nameOfHeader, nameOfTag } from './names.ts'
import { type Rbac, noRbac, readMetadata } from './metadata.ts'
import { readPair, readStruct } from './struct.ts'
import { Words, noWords } from './words.ts'

/** The cluster of upstream servers. */
export interface Cluster {
  text: string
  name: ClusterName
}

/** TLS between the client and the proxy. */
export interface Tls {
  version: string
  sni: string
  /** Service in the SNI of a proxy of Istio. */
  service: string
  /** SPIFFE IDs out of the certificates. */
  local: string
  peer: string
}

/** What Istio's filters found out about a peer. */
export interface Peer {
  claims: Claims
}

export interface Flags {
  /** Short codes joined by commas. */
  words: Words
  /** Whether the proxy could not bring the request to a server, or no answer back. */
  failed: boolean
  /** An external authorization refused it. */
  refused: boolean
  /** No route, or of a listener no filter chain, fits. */
  noRoute: boolean
}

export interface Details {
  words: Words
  denial?: Denial
  /** An external authorization refused it. */
  refused: boolean
}

export interface GrpcStatus {
  words: Words
  /** The server failed: what HTTP would say with 5xx. */
  failed: boolean
}

export const noCluster: Cluster = { text: '', name: readClusterName('') }
export const noTls: Tls = { version: '', sni: '', service: '', local: '', peer: '' }
export const noPeer: Peer = { claims: {} }
export const noFlags: Flags = { words: noWords, failed: false, refused: false, noRoute: false }
export const noDetails: Details = { words: noWords, refused: false }
export const noGrpc: GrpcStatus = { words: noWords, failed: false }

/** Bytes of each half of an interner's memory; what is longer than it cannot be read. */
const small = 1 << 20
const medium = 4 << 20
const large = 8 << 20
const maxCanonical = 16_384
const unauthorized = 13
const tlsVersions = ['', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
const structType = 'type.googleapis.com/google.protobuf.Struct'

/** What the parts of entries mean that come again and again; each is read once. */
export class Parts {
  readonly words = new Interner(noWords, (bytes, start, end) => new Words(textAt(bytes, start, end)), medium)
  /** Authorities of requests. */
  readonly hosts = new Interner(noWords, (bytes, start, end) => new Words(withoutUser(textAt(bytes, start, end))), medium)
  readonly clusters = new Interner(noCluster, readCluster, small)
  readonly tls: Interner<Tls>
  readonly metadata = new Interner<Rbac>(noRbac(), readMetadata, large)
  readonly peers = new Interner(noPeer, readPeer, medium)
  readonly flags = new Interner(noFlags, readFlags, small)
  readonly details = new Interner(noDetails, readDetails, medium)
  readonly grpc = new Interner(noGrpc, readGrpc, small)
  readonly requestHeaders = new Interner<Name>(nameOfTag(''), nameOfHeader('http.request.header.'), small)
  readonly responseHeaders = new Interner<Name>(nameOfTag(''), nameOfHeader('http.response.header.'), small)
  readonly responseTrailers = new Interner<Name>(nameOfTag(''), nameOfHeader('http.response.trailer.'), small)
  readonly tags = new Interner<Name>(nameOfTag(''), (bytes, start, end) => nameOfTag(textAt(bytes, start, end)), small)
  /** Sessions of TLS have ids of their own; all else about them is the same. */
  #canonical = new Map<string, Tls>()

  constructor() {
    this.tls = new Interner(noTls, (bytes, start, end) => this.#canonicalTls(readTls(bytes, start, end)), large)
  }

  #canonicalTls(tls: Tls): Tls {
    const key = Object.values(tls).join('\n')
    const known = this.#canonical.get(key)
    if (known) return known
    if (this.#canonical.size >= maxCanonical) this.#canonical = new Map()
    this.#canonical.set(key, tls)
    return tls
  }
}

function readCluster(bytes: Buffer, start: number, end: number): Cluster {
  const text = textAt(bytes, start, end)
  return { text, name: readClusterName(text) }
}

/** TLSProperties. */
function readTls(bytes: Buffer, start: number, end: number): Tls {
  const tls: Tls = { version: '', sni: '', service: '', local: '', peer: '' }
  fieldsOf(bytes, start, end, (field, { number, from, to }) => {
    if (field === 1) tls.version = tlsVersions[number] ?? String(number)
    else if (field === 3) tls.sni = textAt(bytes, from, Math.min(to, from + 1024))
    else if (field === 4) tls.local = readCertificate(bytes, from, to) || tls.local
    else if (field === 5) tls.peer = readCertificate(bytes, from, to) || tls.peer
  })
  tls.service = readClusterName(tls.sni).service
  return tls
}

/** The first SPIFFE ID among the names of CertificateProperties; '' when there is none. */
function readCertificate(bytes: Buffer, start: number, end: number): string {
  let found = ''
  fieldsOf(bytes, start, end, (field, { from, to }) => {
    if (field !== 1 || found) return
    fieldsOf(bytes, from, to, (kind, { from, to }) => {
      if (kind === 1) found = readIdentity(textAt(bytes, from, to))?.spiffeId ?? ''
    })
  })
  return found
}

/** google.protobuf.Any; what is no Struct tells nothing. */
function readPeer(bytes: Buffer, start: number, end: number): Peer {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let peer = noPeer
  readPair(cursor, start, end, (type, from, to) => {
    if (type === structType && from >= 0) peer = { claims: claimsIn(readStruct(bytes, from, to)) }
  })
  return peer
}

/** ResponseFlags: booleans in the order of their short codes, and why it is unauthorized. */
function readFlags(bytes: Buffer, start: number, end: number): Flags {
  const set = new Set<string>()
  fieldsOf(bytes, start, end, (field, { number }) => {
    const code = responseFlags[field - 1]
    if (code === undefined) return
    if (number || field === unauthorized) set.add(code)
    else set.delete(code)
  })
  return {
    words: new Words(flagsText([...set].join(','))),
    failed: [...set].some(code => failureFlags.has(code)),
    refused: set.has('UAEX'),
    noRoute: set.has('NR'),
  }
}

function readDetails(bytes: Buffer, start: number, end: number): Details {
  const text = textAt(bytes, start, end)
  return { words: new Words(text), denial: readDenial(text), refused: text === 'ext_authz_denied' || text === 'ext_authz_error' }
}

function readGrpc(bytes: Buffer, start: number, end: number): GrpcStatus {
  const text = grpcStatusText(textAt(bytes, start, end))
  return { words: new Words(text), failed: isGrpcServerError(text) }
}

interface FieldValue {
  /** Of a varint, its lower 32 bits. */
  number: number
  from: number
  to: number
}

/** The fields of a message, in the order they come. */
export function fieldsOf(bytes: Buffer, start: number, end: number, take: (field: number, value: FieldValue) => void): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) === varintType) take(tag >>> 3, { number: cursor.varint(), from: 0, to: 0 })
    else if ((tag & 7) === bytesType) {
      cursor.span()
      take(tag >>> 3, { number: 0, from: cursor.start, to: cursor.end })
    } else cursor.skip(tag)
  }
  cursor.close(end)
}
