import { createSocket } from 'node:dgram'
import test from 'ava'
import { KernelDrops, dropsOf, readKernelDrops } from '../../../collectors/ipfix/kernel-drops.ts'

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1024: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5123 2 0000000000000000 17
 1025: 00000000:1283 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5124 2 0000000000000000 0
`

test('drops are read by port', t => {
  t.deepEqual(dropsOf(table), [
    [2055, 17],
    [4739, 0],
  ])
  t.deepEqual(dropsOf(''), [])
})

test('what the kernel drops of a socket nobody reads is found', async t => {
  if (process.platform !== 'linux') {
    t.log('skipped: the table of sockets is there on Linux only')
    return t.pass()
  }
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4096 })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  const sender = createSocket('udp4')
  t.is((await readKernelDrops(new Set([port]))).get(port), 0)
  const lock = new Int32Array(new SharedArrayBuffer(4))
  for (let sent = 0; sent < 200; sent++) sender.send(Buffer.alloc(1400), port, '127.0.0.1')
  // Lets the datagrams go out, and keeps this thread from reading them.
  await new Promise(resolve => setImmediate(resolve))
  Atomics.wait(lock, 0, 0, 50)
  const drops = await readKernelDrops(new Set([port]))
  socket.close()
  sender.close()
  t.true((drops.get(port) ?? 0) > 0)
})

test('what was dropped since the last time is a loss of datagrams, and what was before is none', async t => {
  const counts = [10, 10, 42]
  const listener = { name: 'ipfix', host: '127.0.0.1', port: 4739, receiveBuffer: 1000, keptBytes: 500 } as const
  const drops = new KernelDrops([listener], async () => new Map([[4739, counts.shift() ?? 0]]))
  t.deepEqual(
    (await drops.poll()).map(({ count }) => count),
    [0],
  )
  t.deepEqual(
    (await drops.poll()).map(({ count }) => count),
    [0],
  )
  t.like((await drops.poll())[0], { source: 'ipfix', stage: 'collector', reason: 'receive_buffer_full', count: 32, known: false })
})
