import { isIP } from 'node:net'

/** An address and its port as `10.0.0.7:8080` or `[fd00::7]:8080`; nothing for names, and for addresses that are nobody's. */
export function addressAndPort(text: string): { address: string; port: number } | undefined {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? []
  const address = addressOf(six ?? four ?? '')
  return address && Number(port) < 65536 ? { address, port: Number(port) } : undefined
}

/** An address others can reach. */
export function addressOf(text: string): string | undefined {
  return isIP(text) && !/^(?:0\.0\.0\.0|127\..*|::1?)$/.test(text) ? text : undefined
}
