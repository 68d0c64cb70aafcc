import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { network } from '../../enricher/steps/network.ts'
import { openMaxmind } from '../../enricher/tables/maxmind.ts'
import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import { ConfigError } from '../../runtime/error.ts'
import { openLog } from '../../runtime/log.ts'
import { mmdbOf } from '../helpers/mmdb.ts'
import { until } from '../helpers/wait.ts'
import { enriched } from './enriched.ts'

const silent = openLog({ level: 'error', write: () => {} })
const asn = mmdbOf({
  '203.0.113.0/24': { autonomous_system_number: 64_500, autonomous_system_organization: 'Example Net' },
  '2001:db8::/32': { autonomous_system_number: 64_501, autonomous_system_organization: 'Sixth Net' },
})
const country = mmdbOf({
  '203.0.113.0/25': { country: { iso_code: 'DE' } },
  '203.0.113.128/25': { registered_country: { iso_code: 'FR' } },
})

async function files(): Promise<AsyncDisposable & { asn: string; country: string; at: (name: string) => string }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-mmdb-'))
  const at = (name: string) => path.join(directory, name)
  await writeFile(at('asn.mmdb'), asn)
  await writeFile(at('country.mmdb'), country)
  return {
    asn: at('asn.mmdb'),
    country: at('country.mmdb'),
    at,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  }
}

function watching(everyMs?: number) {
  const stop = new AbortController()
  return { signal: stop.signal, log: silent, everyMs, [Symbol.dispose]: () => stop.abort() }
}

const to = (address: string, more: object = {}) => ({ time: 1, src_address: '10.0.0.1', dst_address: address, ...more })

test('an end outside has the country and the autonomous system that the databases say', async t => {
  await using databases = await files()
  using watch = watching()
  const places = await openMaxmind(databases, watch)
  const records = [to('203.0.113.9'), to('203.0.113.200'), to('2001:db8::9'), to('198.51.100.1'), to('')]
  const rows = await enriched([network({}, { places })], records)
  t.deepEqual(
    rows.map(row => [row.dst_as, row.dst_as_name, row.dst_country]),
    [
      [64_500, 'Example Net', 'DE'],
      [64_500, 'Example Net', 'FR'],
      [64_501, 'Sixth Net', ''],
      [0, '', ''],
      [0, '', ''],
    ],
  )
  const [request] = await enriched([network({}, { places })], [to('203.0.113.9')], 'request')
  t.like(request, { dst_as_name: 'Example Net', dst_country: 'DE' })
})

test('an autonomous system that the exporter says stays, and a pod is in no country', async t => {
  await using databases = await files()
  using watch = watching()
  const places = await openMaxmind(databases, watch)
  const rows = await enriched([network({}, { places })], [to('203.0.113.9', { dst_as: 7 }), to('203.0.113.9', { dst_pod: 'cart-1' })])
  t.like(rows[0], { dst_as: 7, dst_country: 'DE' })
  t.like(rows[1], { dst_as: 0, dst_as_name: '', dst_country: '' })
})

test('an IPv4 address in IPv6 form is the same address', async t => {
  await using databases = await files()
  using watch = watching()
  const places = await openMaxmind(databases, watch)
  const [row] = await enriched([network({ office: ['203.0.113.0/24'] }, { places })], [to('::ffff:203.0.113.9')])
  t.like(row, { dst_address: '203.0.113.9', dst_network: 'office', dst_country: 'DE' })
})

test('a database that is replaced is read again, and one that cannot be read leaves what was', async t => {
  await using databases = await files()
  using watch = watching(10)
  const places = await openMaxmind({ asn: databases.asn }, watch)
  const step = network({}, { places })
  const name = async () => (await enriched([step], [to('203.0.113.9')]))[0].dst_as_name
  const replace = async (bytes: Uint8Array) => {
    await writeFile(databases.at('new'), bytes)
    await rename(databases.at('new'), databases.asn)
  }
  t.is(await name(), 'Example Net')
  await replace(Buffer.from('no database'))
  await new Promise(done => setTimeout(done, 60))
  t.is(await name(), 'Example Net')
  await replace(mmdbOf({ '203.0.113.0/24': { autonomous_system_number: 1, autonomous_system_organization: 'Renamed' } }))
  await until('the new name', async () => (await name()) === 'Renamed')
  t.pass()
})

test('a database that cannot be read at the start is named', async t => {
  await using databases = await files()
  using watch = watching()
  await writeFile(databases.at('broken'), 'no database')
  for (const [setting, file] of [
    ['asn', databases.at('nowhere')],
    ['country', databases.at('broken')],
  ]) {
    const error = await t.throwsAsync(() => openMaxmind({ [setting]: file }, watch), { instanceOf: ConfigError })
    t.true(error?.message.startsWith(`enrich.maxmind.${setting}: expected a database in MaxMind's format, got ${file}: `), error?.message)
  }
})

test('whatever is damaged in a database, no address makes it fail', async t => {
  await using databases = await files()
  using watch = watching()
  const words = new Int32Array(addressBytes / 4)
  const changes = fc.array(fc.record({ at: fc.nat(asn.length - 1), byte: fc.nat(255) }), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(changes, fc.ipV4(), async (changed, address) => {
      const bytes = Buffer.from(asn)
      for (const { at, byte } of changed) bytes[at] = byte
      await writeFile(databases.at('damaged'), bytes)
      const places = await openMaxmind({ asn: databases.at('damaged') }, watch).catch(error => {
        if (error instanceof ConfigError) return undefined
        throw error
      })
      writeAddress(new Uint8Array(words.buffer), 0, address)
      places?.find(words, 0)
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('an address of an egress gateway is named so, also where it is a node’s', async t => {
  const step = network({ office: ['203.0.113.0/24'] }, { egress: { payments: ['203.0.113.7'], batch: ['2001:db8:1::/48'] } })
  const cases: [record: object, name: string][] = [
    [to('203.0.113.7'), 'payments'],
    [to('203.0.113.8'), 'office'],
    [to('203.0.113.7', { dst_node: 'node-1' }), 'payments'],
    [to('192.168.0.1', { dst_node: 'node-1' }), ''],
    [to('2001:db8:1::5'), 'batch'],
    [to('203.0.113.7', { dst_pod: 'cart-1' }), ''],
  ]
  const rows = await enriched(
    [step],
    cases.map(([record]) => record),
  )
  t.deepEqual(
    rows.map(row => row.dst_network),
    cases.map(([, name]) => name),
  )
})

test('an egress gateway without an address is named', t => {
  const error = t.throws(() => network({}, { egress: { payments: ['gateway'] } }), { instanceOf: ConfigError })
  t.is(error?.message, 'enrich.egress.payments: expected an address or a CIDR, got "gateway"')
})

test('more networks than a byte can number keep their names', async t => {
  const networks = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`net-${i}`, [`198.18.${i >> 8}.${i & 255}/32`]]))
  const rows = await enriched(
    [network(networks)],
    Array.from({ length: 300 }, (_, i) => to(`198.18.${i >> 8}.${i & 255}`)),
  )
  t.deepEqual(
    rows.map(row => row.dst_network),
    Object.keys(networks),
  )
})
