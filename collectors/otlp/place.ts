import { addressBytes, writeAddress } from '../../runtime/block/address.ts'

/** What a text says of an end: an address, or a name, and perhaps a port. */
export interface Place {
  /** 16 bytes; undefined for a name. */
  address: Uint8Array | undefined
  /** Whether the address is the machine's own. */
  isLoopback: boolean
  /** '' for an address. */
  name: string
  /** 0 when it says none. */
  port: number
  /** namespace/name of a service of Kubernetes, else ''. */
  service: string
}

const mostKnown = 1 << 16
const longest = 255
const nowhere: Place = { address: undefined, isLoopback: false, name: '', port: 0, service: '' }

/** Reads 10.0.0.1, 10.0.0.1:80, [::1]:80, ::1, name, name:80, and remembers what it read. */
export class Places {
  readonly #known = new Map<string, Place>()

  at(text: string): Place {
    if (text === '') return nowhere
    const known = this.#known.get(text)
    if (known) return known
    if (this.#known.size >= mostKnown) this.#known.clear()
    const place = readPlace(text)
    this.#known.set(text, place)
    return place
  }
}

function readPlace(text: string): Place {
  if (text.length > longest) return nowhere
  const [, host = text, digits = '0'] = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits) < 65536 ? Number(digits) : 0
  const address = new Uint8Array(addressBytes)
  if (writeAddress(address, 0, host) && host !== '') return { ...nowhere, address, isLoopback: isLoopback(address), port }
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  return { ...nowhere, name: host, port, service: name ? `${namespace}/${name}` : '' }
}

/** 127.0.0.0/8 and ::1. */
function isLoopback(address: Uint8Array): boolean {
  if (address[10] === 0xff && address[11] === 0xff) return address[12] === 127
  return address[15] === 1 && address.subarray(0, 15).every(octet => octet === 0)
}
