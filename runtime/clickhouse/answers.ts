import { get as overHttp } from 'node:http'
import { get as overHttps } from 'node:https'

/** Whether an address answers with 200. Keeps no connection, logs nothing and never rejects. */
export function answers(url: string, { timeoutMs = 5000 } = {}): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const get = url.startsWith('https:') ? overHttps : overHttp
  const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, response => {
    response.resume()
    response.on('close', () => resolve(response.statusCode === 200))
  })
  request.on('error', () => resolve(false))
  return promise
}
