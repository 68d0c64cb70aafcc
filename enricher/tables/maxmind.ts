import { readFile, stat } from 'node:fs/promises'
import { type AsnResponse, type CountryResponse, Reader } from 'mmdb-lib'
import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import { ConfigError } from '../../runtime/error.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { Combinations } from './combinations.ts'

/** Files of databases in MaxMind's format: who runs an address, and in which country it is. */
export interface MaxmindFiles {
  asn?: string
  country?: string
}

/** What databases say of an address; 0 and '' for what they do not. */
export interface Place {
  as: number
  asName: string
  /** Two letters of ISO 3166. */
  country: string
}

export interface Places {
  /** Of the address in `words` from `at` on. */
  find(words: Int32Array, at: number): Place
}

interface Watching {
  signal: AbortSignal
  log: Logger
  /** How often files are looked at. */
  everyMs?: number
}

const mostRemembered = 200_000
const nowhere: Place = { as: 0, asName: '', country: '' }

/**
 * Reads the databases, and reads a file again when it was replaced; one that cannot be read then is said in the log, and the one before
 * stays. Throws ConfigError when one cannot be read at the start.
 */
export async function openMaxmind({ asn, country }: MaxmindFiles, { signal, log, everyMs = 10_000 }: Watching): Promise<Places> {
  const seen = new Combinations()
  let remembered: Place[] = []

  function forget() {
    seen.clear()
    remembered = []
  }

  const watching = { signal, log, everyMs, onRead: forget }
  const networks = asn === undefined ? undefined : await openDatabase<AsnResponse>('asn', asn, watching)
  const countries = country === undefined ? undefined : await openDatabase<CountryResponse>('country', country, watching)

  function look(address: string): Place {
    const network = networks?.get(address)
    const where = countries?.get(address)
    if (!network && !where) return nowhere
    return {
      as: Number(network?.autonomous_system_number ?? 0) >>> 0,
      asName: textOf(network?.autonomous_system_organization),
      country: textOf(where?.country?.iso_code ?? where?.registered_country?.iso_code),
    }
  }

  return {
    find(words, at) {
      if (remembered.length >= mostRemembered) forget()
      const number = seen.number(words[at], words[at + 1], words[at + 2], words[at + 3])
      return (remembered[number] ??= look(readAddress(new Uint8Array(words.buffer, words.byteOffset + at * 4, addressBytes), 0)))
    },
  }
}

/** A database may hold anything. */
const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

interface Database<T> {
  get(address: string): T | undefined
}

async function openDatabase<T extends AsnResponse | CountryResponse>(
  name: keyof MaxmindFiles,
  file: string,
  { signal, log, everyMs, onRead }: Watching & { onRead: () => void },
): Promise<Database<T>> {
  let version = await versionOf(file).catch(() => '')
  let reader = await read<T>(file).catch(error => {
    throw new ConfigError(`enrich.maxmind.${name}: expected a database in MaxMind's format, got ${file}: ${describe(error)}`)
  })

  let isDamaged = false

  /** A file that is damaged says nothing where it is, and that is said once. */
  function get(address: string): T | undefined {
    if (!address) return undefined
    try {
      return reader.get(address) ?? undefined
    } catch (error) {
      if (!isDamaged) log.warn({ file, address, error }, 'a database of addresses is damaged')
      isDamaged = true
      return undefined
    }
  }

  async function look() {
    const now = await versionOf(file)
    if (now === version) return
    version = now
    reader = await read<T>(file)
    isDamaged = false
    onRead()
    log.info({ file, built: reader.metadata.buildEpoch }, 'read a database of addresses again')
  }

  const timer = setInterval(() => void look().catch(error => log.warn({ file, error }, 'cannot read a database of addresses')), everyMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  return { get }
}

async function read<T extends AsnResponse | CountryResponse>(file: string): Promise<Reader<T>> {
  const reader = new Reader<T>(await readFile(file))
  // A truncated file is noticed only when it is looked into.
  reader.get('192.0.2.1')
  return reader
}

async function versionOf(file: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(file)
  return `${ino} ${size} ${mtimeMs}`
}
