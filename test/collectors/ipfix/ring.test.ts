import { Worker } from 'node:worker_threads'
import test from 'ava'
import fc from 'fast-check'
import { RingReader, RingWriter, openRing } from '../../../collectors/ipfix/ring.ts'

test('datagrams come out of the ring as they went in, however often it goes round', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 40 }), datagrams => {
      const memory = openRing(4096)
      const writer = new RingWriter(memory, () => {})
      const reader = new RingReader(memory)
      datagrams.forEach((bytes, index) => {
        writer.write(bytes, { address: '2001:db8::1', port: index }, 1e15 + index)
        const found = reader.next()
        t.deepEqual(
          { ...found, bytes: Uint8Array.from(found?.bytes ?? []) },
          { bytes: Uint8Array.from(bytes), address: '2001:db8::1', process: index, received: 1e15 + index },
        )
        reader.release()
      })
      t.is(reader.next(), undefined)
    }),
    { numRuns: 100 },
  )
})

test('a writer waits for room, and wakes a reader that sleeps', async t => {
  const memory = openRing(1 << 16)
  const reader = new RingReader(memory)
  const count = 2000
  const code = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { RingWriter } = await import(workerData.module)
    const writer = new RingWriter(workerData.memory, () => parentPort.postMessage('awake'))
    for (let i = 0; i < ${count}; i++) writer.write(new Uint8Array(i % 1500).fill(i), { address: '10.0.0.1', port: i }, i)
    parentPort.postMessage('done')`
  const module = new URL('../../../collectors/ipfix/ring.ts', import.meta.url).href
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: { memory, module } })
  let wake = () => {}
  worker.on('message', () => wake())
  const seen: number[] = []
  while (seen.length < count) {
    for (let datagram = reader.next(); datagram; datagram = reader.next()) {
      t.is(datagram.bytes.length, datagram.received % 1500)
      t.true(datagram.bytes.every(byte => byte === (datagram.received & 255)))
      seen.push(datagram.received)
      reader.release()
    }
    const woken = new Promise<void>(resolve => (wake = resolve))
    if (seen.length < count && reader.sleep()) await woken
  }
  t.deepEqual(
    seen,
    Array.from({ length: count }, (_, index) => index),
  )
  await worker.terminate()
})
