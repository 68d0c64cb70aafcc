import type { Message } from '../../runtime/bus/bus.ts'
import { attributedKinds, hourSeconds } from '../../schema/reattribution.ts'
import type { Progress, Request } from './running.ts'

/** What is asked for: to attribute records again, or only to say what that would change. */
export interface Asked extends Request {
  dryRun: boolean
}

/** How far a request is, or why it came to nothing. */
export type Told = Progress | { phase: 'failed'; reason: string }

const body = (content: object) => Buffer.from(JSON.stringify(content))

/** One key, because one thing is done at a time. */
const key = 'reattribution'

export const requestMessage = (asked: Asked): Message => ({ key, headers: { request: asked.id }, body: body(asked) })
export const progressMessage = (id: string, told: Told): Message => ({ key, headers: { progress: id }, body: body(told) })

/** Asks to look for what is known better now. */
export const lookMessage = (): Message => ({ key, headers: { look: 'provisional' }, body: new Uint8Array() })
export const isLook = ({ headers }: Pick<Message, 'headers'>) => headers.look !== undefined

/** The request in a message; nothing in what is none. Throws for one that asks for what there is not. */
export function requestIn({ headers, body }: Pick<Message, 'headers' | 'body'>): Asked | undefined {
  if (headers.request === undefined) return undefined
  const asked = JSON.parse(Buffer.from(body).toString()) as Asked
  const isHour = (seconds: number) => Number.isSafeInteger(seconds) && seconds >= 0 && seconds % hourSeconds === 0
  if (
    asked.id !== headers.request ||
    !attributedKinds.includes(asked.kind) ||
    !isHour(asked.from) ||
    !isHour(asked.to) ||
    asked.from >= asked.to
  )
    throw new Error(`expected a kind and a window of whole hours, got ${Buffer.from(body).toString().slice(0, 300)}`)
  return asked
}

/** What a message tells of a request. */
export const toldIn = ({ headers, body }: Pick<Message, 'headers' | 'body'>, id: string): Told | undefined =>
  headers.progress === id ? (JSON.parse(Buffer.from(body).toString()) as Told) : undefined
