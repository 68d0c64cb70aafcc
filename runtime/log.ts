/** Writes one JSON line per entry to standard error, or a readable line on a terminal. */
export interface Logger {
  debug(context: object, message: string): void
  info(context: object, message: string): void
  warn(context: object, message: string): void
  error(context: object, message: string): void
  child(context: object): Logger
}

const levels = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof levels)[number]

const plain = (value: unknown) => (value instanceof Error ? describe(value) : value)

/** An error and its causes on one line. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const message = error.message || (error as NodeJS.ErrnoException).code || error.name
  return error.cause ? `${message}: ${describe(error.cause)}` : message
}

export function openLog({
  level = (process.env.WEIR_LOG_LEVEL as Level) || 'info',
  context = {} as object,
  write = (line: string) => void process.stderr.write(line + '\n'),
  pretty = process.stderr.isTTY || process.env.WEIR_LOG_FORMAT === 'text',
} = {}): Logger {
  const enabled = (of: Level) => levels.indexOf(of) >= levels.indexOf(level)
  const entry = (of: Level) => (more: object, message: string) => {
    if (!enabled(of)) return
    const fields = Object.fromEntries(Object.entries({ ...context, ...more }).map(([key, value]) => [key, plain(value)]))
    const time = new Date().toISOString()
    write(pretty ? prettyLine(time, of, message, fields) : JSON.stringify({ time, level: of, message, ...fields }))
  }
  return {
    debug: entry('debug'),
    info: entry('info'),
    warn: entry('warn'),
    error: entry('error'),
    child: more => openLog({ level, context: { ...context, ...more }, write, pretty }),
  }
}

function prettyLine(time: string, level: Level, message: string, { service = 'weir', ...fields }: Record<string, unknown>) {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [time.slice(11, 23), level.padEnd(5), `[${String(service)}]`, message, ...rest].join(' ')
}
