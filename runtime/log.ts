import { ConfigError } from './error.ts'
import { withoutPasswords } from './secret.ts'

/** Writes one JSON line per entry to standard error, or a readable line on a terminal. Passwords of URLs are left out. */
export interface Logger {
  debug(context: object, message: string): void
  info(context: object, message: string): void
  warn(context: object, message: string): void
  error(context: object, message: string): void
  child(context: object): Logger
}

const levels = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof levels)[number]

const deepestCause = 8

/** An error and its causes on one line. */
export function describe(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error)
  const message = (error.message || (error as NodeJS.ErrnoException).code || error.name).trim()
  return error.cause && depth < deepestCause ? `${message}: ${describe(error.cause, depth + 1)}` : message
}

interface LogOptions {
  level?: Level
  context?: object
  write?: (line: string) => void
  pretty?: boolean
}

export function openLog({
  level = levelOf(process.env.WEIR_LOG_LEVEL),
  context = {},
  write = line => void process.stderr.write(line + '\n'),
  pretty = process.stderr.isTTY || process.env.WEIR_LOG_FORMAT === 'text',
}: LogOptions = {}): Logger {
  const enabled = (of: Level) => levels.indexOf(of) >= levels.indexOf(level)
  const entry = (of: Level) => (more: object, message: string) => {
    if (!enabled(of)) return
    const time = new Date().toISOString()
    const fields = { ...context, ...more }
    write(withoutPasswords(pretty ? prettyLine(time, of, message, fields) : jsonLine(time, of, message, fields)))
  }
  return {
    debug: entry('debug'),
    info: entry('info'),
    warn: entry('warn'),
    error: entry('error'),
    child: more => openLog({ level, context: { ...context, ...more }, write, pretty }),
  }
}

function levelOf(name = ''): Level {
  if (!name) return 'info'
  if (!levels.includes(name as Level))
    throw new ConfigError(`WEIR_LOG_LEVEL: expected one of ${levels.join(', ')}, got ${JSON.stringify(name)}`)
  return name as Level
}

/** What is written never keeps somebody from working: what JSON cannot say is said as text. */
function json(value: unknown): string {
  try {
    return JSON.stringify(value, (_, inner: unknown) => {
      if (inner instanceof Error) return describe(inner)
      return typeof inner === 'bigint' ? String(inner) : inner
    })
  } catch (error) {
    return JSON.stringify(`(cannot be written: ${describe(error)})`)
  }
}

function jsonLine(time: string, level: Level, message: string, fields: object) {
  const head = { time, level, message }
  const rest = Object.entries(fields).filter(([key, value]) => !(key in head) && value !== undefined)
  return `{${[...Object.entries(head), ...rest].map(([key, value]) => `${JSON.stringify(key)}:${json(value) ?? 'null'}`).join(',')}}`
}

function prettyLine(time: string, level: Level, message: string, { service = 'weir', ...fields }: { service?: unknown }) {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${prettyValue(value)}`)
  return [time.slice(11, 23), level.padEnd(5), `[${String(service)}]`, message, ...rest].join(' ')
}

/** One line, and nothing in it that moves a terminal's cursor. */
function prettyValue(value: unknown): string {
  const text = value instanceof Error ? describe(value) : value
  // oxlint-disable-next-line no-control-regex
  return typeof text === 'string' && !/[\x00-\x1f\x7f-\x9f]/.test(text) ? text : json(text)
}
