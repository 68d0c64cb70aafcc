import { ConfigError } from '../../runtime/error.ts'

interface ApiError {
  code?: string
  message: string
  /** Where in the filter, and how much of it. */
  position?: number
  length?: number
}

/** A question that has to be asked in another way. Exits with 2, as wrong use does. */
class WrongQuestion extends ConfigError {
  override name = 'WrongQuestion'
}

/** The answer of a running weir. Its errors are ours; a wrong filter is shown with a mark below the place. */
export async function call(base: string, path: string, { where, ...init }: RequestInit & { where?: string } = {}): Promise<Response> {
  const address = URL.parse(path, base)
  if (!address) throw new ConfigError(`--url (WEIR_URL): expected an address such as http://127.0.0.1:8080, got ${JSON.stringify(base)}`)
  const response = await fetch(address, init).catch(error => {
    throw new Error(`cannot reach weir at ${address.origin}: start it with weir up, or say where it is with --url`, {
      cause: (error as Error).cause ?? error,
    })
  })
  if (response.ok) return response
  const { error } = (await response.json().catch(() => ({}))) as { error?: ApiError }
  if (!error) throw new Error(`${address.origin} answered ${response.status} ${response.statusText}: is that weir?`)
  throw response.status < 500 ? new WrongQuestion(error.message + mark(where, error)) : new Error(error.message)
}

/** The filter and a mark below what is wrong with it. Lines and tabs within it would move the mark. */
function mark(where: string | undefined, { position, length = 1 }: ApiError): string {
  if (where === undefined || position === undefined) return ''
  return `\n  ${where.replaceAll(/\s/g, ' ')}\n  ${' '.repeat(position)}${'^'.repeat(Math.max(1, length))}`
}
