import { addressBytes, writeAddress } from '../../runtime/block/address.ts'

/** What a text says of an end: an address, or a name, and perhaps a port. */
export interface Place {
  /** Four words, as a column has them; undefined for a name. */
  address: Uint32Array | undefined
  /** Whether the address is the machine's own. */
  isLoopback: boolean
  /** '' for an address. */
  name: string
  /** 0 when it says none. */
  port: number
  /** namespace/name of a service of Kubernetes, else ''. */
  service: string
}

const longest = 255
export const nowhere: Place = { address: undefined, isLoopback: false, name: '', port: 0, service: '' }

/** Reads 10.0.0.1, 10.0.0.1:80, [::1]:80, ::1, name, name:80. */
export function readPlace(text: string): Place {
  if (text === '' || text.length > longest) return nowhere
  const [, host = text, digits = '0'] = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits) < 65536 ? Number(digits) : 0
  const address = new Uint8Array(addressBytes)
  if (writeAddress(address, 0, host) && host !== '')
    return { ...nowhere, address: new Uint32Array(address.buffer), isLoopback: isLoopback(address), port }
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  return { ...nowhere, name: host, port, service: name ? `${namespace}/${name}` : '' }
}

/** 127.0.0.0/8 and ::1. */
function isLoopback(address: Uint8Array): boolean {
  if (address[10] === 0xff && address[11] === 0xff) return address[12] === 127
  return address[15] === 1 && address.subarray(0, 15).every(octet => octet === 0)
}
