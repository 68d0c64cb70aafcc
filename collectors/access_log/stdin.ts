import { addAbortListener } from 'node:events'
import type { Readable } from 'node:stream'
import type { Intake, Stream } from './intake.ts'

const newline = 10

/** Takes lines from a stream until it ends or the signal is aborted. What was not published when the collector ends is lost. */
export async function followStream(
  input: Readable,
  stream: Stream,
  intake: Intake,
  signal: AbortSignal,
  maxLineBytes: number,
): Promise<void> {
  using _ = addAbortListener(signal, () => void input.destroy())
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of input) {
      const bytes: Buffer = rest.length ? Buffer.concat([rest, chunk as Buffer]) : (chunk as Buffer)
      const whole = bytes.lastIndexOf(newline) + 1
      rest = bytes.subarray(whole)
      if (whole) await intake.take(stream, bytes.subarray(0, whole), 0)
      if (rest.length <= maxLineBytes) continue
      await intake.take(stream, rest, 0)
      rest = Buffer.alloc(0)
    }
    if (rest.length) await intake.take(stream, rest, 0)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
