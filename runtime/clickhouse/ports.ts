import { createServer } from 'node:net'

/** Resolves with the port when it can be listened on, or with a free one for 0. */
function tryPort(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
    const address = server.address()
    server.close(() => resolve(typeof address === 'object' && address ? address.port : port))
  })
  return promise
}

export const freePort = () => tryPort(0)

/** The port, when nobody has it; otherwise an error that names the setting to change. */
export async function claimPort(port: number, setting: string, variable: string): Promise<number> {
  try {
    return await tryPort(port)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'is taken' : 'cannot be used'
    throw new Error(`port ${port} ${why}: choose another with ${setting} (${variable}), or leave it out for any free port`, {
      cause: error,
    })
  }
}
