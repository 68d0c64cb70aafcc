import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface Asked {
  path: string
  query: URLSearchParams
  token: string
}

/** Answers as an API server would that has reasons of its own: what it says is up to the test. */
export async function openFakeApi(answer: (asked: Asked, response: http.ServerResponse) => void) {
  const asked: Asked[] = []
  const server = http.createServer((request, response) => {
    const url = new URL(request.url!, 'http://localhost')
    const one = { path: url.pathname, query: url.searchParams, token: request.headers.authorization ?? '' }
    asked.push(one)
    answer(one, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-fake-api-'))
  const kubeconfig = path.join(directory, 'kubeconfig')
  const { port } = server.address() as AddressInfo
  /** Writes another token into the kubeconfig. */
  const useToken = (token: string) =>
    writeFile(
      kubeconfig,
      JSON.stringify({
        clusters: [{ name: 'fake', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'fake', user: { token } }],
        contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
        'current-context': 'fake',
      }),
    )
  await useToken('first')
  return {
    kubeconfig,
    asked,
    useToken,
    connections: async () => new Promise<number>(resolve => server.getConnections((_, count) => resolve(count))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const sendJson = (response: http.ServerResponse, body: object, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Begins a watch with these events; it stays open. */
export function sendEvents(response: http.ServerResponse, ...events: object[]): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  for (const event of events) response.write(`${JSON.stringify(event)}\n`)
}
