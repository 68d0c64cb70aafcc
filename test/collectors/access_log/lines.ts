const someDay = Date.parse('2026-11-21T08:00:00.000Z')

/** A line of Istio's default format whose request id and time are its number. */
export function istioLine(number: number, { status = 200, path = '/', details = 'via_upstream', base = someDay } = {}): string {
  const time = new Date(base + number * 1000).toISOString()
  return (
    `[${time}] "GET ${path} HTTP/1.1" ${status} - ${details} - "-" 0 178 5 4 "-" "curl/8" "${idOf(number)}" "details:9080" ` +
    `"10.244.0.9:9080" outbound|9080||details.shop.svc.cluster.local 10.244.0.7:40000 10.96.0.4:9080 10.244.0.7:51000 - default`
  )
}

/** A TCP connection, as flows in both directions: so many bytes there as its number says. */
export function tcpLine(number: number, base = someDay): string {
  const time = new Date(base + number * 1000).toISOString()
  return (
    `[${time}] "- - -" 0 - - - "-" ${number + 1} 9 5 - "-" "-" "-" "-" "10.244.0.9:6379" ` +
    `outbound|6379||redis.shop.svc.cluster.local 10.244.0.7:40000 10.96.0.4:6379 10.244.0.7:51000 - -`
  )
}

export const idOf = (number: number) => `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
export const numberOfId = (id: string) => parseInt(id.slice(0, 8), 16)
const stamp = '2026-11-21T08:19:50.353000000Z'
export const cri = (line: string, mark = 'F', stream = 'stdout') => `${stamp} ${stream} ${mark} ${line}`
export const docker = (log: string, stream = 'stdout') => JSON.stringify({ log, stream, time: stamp })

/** Both kinds of line in turn, a second apart from `base` on. */
export const mixed = (from: number, to: number, base = someDay) =>
  Array.from({ length: to - from }, (_, index) =>
    [istioLine(from + index, { base }), tcpLine(from + index, base)].map(line => `${cri(line)}\n`).join(''),
  ).join('')
