import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { Transform, pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** A network between weir and a server on a port of 127.0.0.1, with the faults of networks. */
export interface Link extends AsyncDisposable {
  port: number
  /** Connections end, and new ones are refused. */
  cut(): Promise<void>
  mend(): Promise<void>
  /** Connections stay and nothing comes through them, either way; or all that was sent meanwhile, again. */
  stall(isStalled: boolean): void
  /** Lets so many bytes a second through towards the server; as many as there are without a number. */
  throttle(bytesPerSecond?: number): void
}

export async function openLink(serverPort: number): Promise<Link> {
  const sockets = new Set<Socket>()
  let rate = Infinity
  let stalled = Promise.withResolvers<void>()
  stalled.resolve()
  const passing = () => stalled.promise
  const server = createServer(near => {
    const far = connect(serverPort, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('close', () => sockets.delete(socket)))
    const done = () => {}
    pipeline(
      near,
      slowed(() => rate, passing),
      far,
      done,
    )
    pipeline(
      far,
      slowed(() => Infinity, passing),
      near,
      done,
    )
  })
  const listen = (port: number) => once(server.listen(port, '127.0.0.1'), 'listening')
  await listen(0)
  const { port } = server.address() as AddressInfo

  async function cut() {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }

  return {
    port,
    cut,
    mend: async () => void (await listen(port)),
    stall: isStalled => {
      if (isStalled) stalled = Promise.withResolvers()
      else stalled.resolve()
    },
    throttle: (bytesPerSecond = Infinity) => (rate = bytesPerSecond),
    async [Symbol.asyncDispose]() {
      if (server.listening) await cut()
    },
  }
}

const slowed = (rate: () => number, passing: () => Promise<void>) =>
  new Transform({
    async transform(bytes: Buffer, _, done) {
      await passing()
      if (rate() !== Infinity) await sleep((bytes.length / rate()) * 1000)
      done(undefined, bytes)
    },
  })
