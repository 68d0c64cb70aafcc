import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Protocol } from './session.ts'
import { type RingMemory, RingWriter } from './ring.ts'

/** Where a thread listens. */
export interface Listener {
  name: Protocol
  host: string
  port: number
  /** Bytes the kernel is asked to keep. */
  receiveBuffer: number
}

export interface ReceiverData {
  ring: RingMemory
  listeners: Listener[]
}

export interface Listening extends Listener {
  /** The port it really is, and the bytes the kernel really keeps. */
  port: number
  keptBytes: number
}

/** What the thread says: that it listens everywhere, that it cannot, or that there are datagrams. */
export type ReceiverMessage = { listening: Listening[] } | { failed: Listener; error: Error } | 'datagrams'

function listen(listener: Listener, ring: RingWriter): Promise<Listening> {
  const { host, port, receiveBuffer } = listener
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: receiveBuffer })
  socket.on('message', (datagram, sender) => take(ring, datagram, sender))
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address: host, port, exclusive: true }, () => resolve(describe(listener, socket)))
  })
}

/** Linux doubles what it grants, for its own bookkeeping, and says so (socket(7)). */
const bookkeeping = process.platform === 'linux' ? 2 : 1

const describe = (listener: Listener, socket: Socket): Listening => ({
  ...listener,
  port: socket.address().port,
  keptBytes: socket.getRecvBufferSize() / bookkeeping,
})

const mappedPrefix = '::ffff:'

function take(ring: RingWriter, datagram: Buffer, { address, port }: RemoteInfo): void {
  const plain = address.startsWith(mappedPrefix) ? address.slice(mappedPrefix.length) : address
  ring.write(datagram, { address: plain, port }, Date.now() * 1000)
}

/** Receives datagrams and does nothing else, so that none waits for what is being read. */
async function receive({ ring, listeners }: ReceiverData, parent: MessagePort): Promise<void> {
  const tell = (message: ReceiverMessage) => parent.postMessage(message)
  const writer = new RingWriter(ring, () => tell('datagrams'))
  const listening: Listening[] = []
  for (const listener of listeners)
    try {
      listening.push(await listen(listener, writer))
    } catch (error) {
      return tell({ failed: listener, error: error as Error })
    }
  tell({ listening })
}

if (parentPort) await receive(workerData as ReceiverData, parentPort)
