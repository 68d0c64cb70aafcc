import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { stringify } from 'yaml'
import { readConfig } from '../../deploy/config.ts'
import { ConfigError } from '../../runtime/error.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'weir-enrich-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

let files = 0
function fileOf(enrich: object): string {
  const file = path.join(directory, `${++files}.yaml`)
  writeFileSync(file, stringify({ enrich }))
  return file
}

const wrong: Record<string, [enrich: object, message: string]> = {
  'meshes that are no list': [
    { meshes: 'east' },
    'enrich.meshes: expected a list of lists, each of two or more names of clusters, got "east"',
  ],
  'clusters that are not in a list of their own': [
    { meshes: ['east', 'west'] },
    'enrich.meshes.0: expected a list of two or more different names of clusters, got "east"',
  ],
  'a mesh of one': [{ meshes: [['east']] }, 'enrich.meshes.0: expected a list of two or more different names of clusters, got a list'],
  'a cluster twice': [
    { gateways: [['east', 'east']] },
    'enrich.gateways.0: expected a list of two or more different names of clusters, got a list',
  ],
  'a cluster that is no name': [{ gateways: [['east', 7]] }, 'enrich.gateways.0.1: expected the name of a cluster, got 7'],
  'an egress gateway with one address and no list': [
    { egress: { payments: '203.0.113.7' } },
    'enrich.egress.payments: expected a list of addresses or CIDRs, got "203.0.113.7"',
  ],
  'an address that is a number': [{ egress: { payments: [7] } }, 'enrich.egress.payments.0: expected an address or a CIDR, got 7'],
  'a database without a path': [{ maxmind: { asn: '' } }, 'enrich.maxmind.asn: expected the path of a file in MaxMind’s format, got ""'],
  'a database of something else': [{ maxmind: { city: 'x.mmdb' } }, 'enrich.maxmind.city: no such setting, expected one of asn, country'],
  'no names at all': [{ dns: { max_names: 0 } }, 'enrich.dns.max_names: expected at least 1, got 0'],
  'a time that is none': [{ dns: { min_seconds: 'long' } }, 'enrich.dns.min_seconds: expected a whole number, got "long"'],
}

for (const [what, [enrich, message]] of Object.entries(wrong))
  test(`a wrong setting is named, with what is expected: ${what}`, async t => {
    const error = await t.throwsAsync(() => readConfig(fileOf(enrich)), { instanceOf: ConfigError })
    t.is(error?.message, message)
  })

test('without settings there are no other clusters, gateways or databases', async t => {
  const { enrich } = await readConfig(fileOf({}))
  t.like(enrich, { networks: {}, egress: {}, maxmind: {}, meshes: [], gateways: [], dns: { max_names: 100_000, min_seconds: 300 } })
})
