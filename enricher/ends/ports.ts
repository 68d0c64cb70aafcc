/** Transport protocols of ports, as Kubernetes has them. */
const protocols = ['', 'tcp', 'udp', 'sctp']

/** A port of a protocol as one number; of a protocol that is not known or has no ports, the port alone. 0 where there is no port. */
export const portCode = (protocol: string, port: number) => (port ? (Math.max(0, protocols.indexOf(protocol)) << 16) | port : 0)

/** The same of protocol/port; 0 for what is none. */
export function readPort(text: string): number {
  const [protocol, port] = text.split('/')
  const number = Number(port)
  return Number.isInteger(number) && number > 0 && number < 65_536 ? portCode(protocol, number) : 0
}

/** The codes a port may stand under: where its protocol is not known, under any. */
export function codesOf(code: number): readonly number[] {
  return code >> 16 ? [code] : protocols.slice(1).map(protocol => portCode(protocol, code))
}

/** Whether the port is among those. */
export const isAmong = (ports: ReadonlySet<number> | undefined, code: number) =>
  ports !== undefined && code !== 0 && codesOf(code).some(each => ports.has(each))
