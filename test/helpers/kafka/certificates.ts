import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Certificates {
  ca: string
  /** Key and certificates of a broker on 127.0.0.1 in one file. */
  broker: string
  client: { cert: string; key: string }
}

/** An authority, and what it has signed for a broker and a client: files in the directory. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const at = (name: string) => path.join(directory, name)
  const ca = at('ca.pem')
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await run('openssl', ['req', '-x509', ...key, '-keyout', at('ca.key'), '-out', ca, '-subj', '/CN=test authority'])
  const sign = async (name: string, extension: string) => {
    await run('openssl', ['req', ...key.slice(0, 3), '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`])
    await writeFile(at(`${name}.ext`), extension)
    const signing = ['-CA', ca, '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at(`${name}.ext`)]
    await run('openssl', ['x509', '-req', '-in', at(`${name}.csr`), ...signing, '-out', at(`${name}.pem`)])
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) }
  }
  const broker = await sign('broker', 'subjectAltName=IP:127.0.0.1')
  const client = await sign('client', 'extendedKeyUsage=clientAuth')
  await run('sh', ['-c', 'cat "$0" "$1" "$2" > "$3"', broker.key, broker.cert, ca, at('broker-all.pem')])
  return { ca, broker: at('broker-all.pem'), client }
}
