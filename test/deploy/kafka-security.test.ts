import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { Kafka, logLevel } from 'kafkajs'
import { stringify } from 'yaml'
import { openKafka } from '../../deploy/kafka.ts'
import { readConfig } from '../../deploy/config.ts'
import { openLog } from '../../runtime/log.ts'
import { assigned, readAll } from '../contracts/bus.ts'
import { type Brokers, startBrokers, whyNoKafka } from '../helpers/kafka/broker.ts'
import { type Certificates, makeCertificates } from '../helpers/kafka/certificates.ts'
import { skipped } from '../helpers/kafka/contract.ts'
import { runCli } from '../helpers/weir.ts'

const missing = await whyNoKafka()
const log = openLog({ write: () => {} })
let directory: string
let files: Certificates
let kafka: Brokers

/** Wants certificates and passwords; weir may do everything, guest nothing. */
const properties = ({ ca, broker }: Certificates) => ({
  listeners: 'SASL_SSL://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller',
  'advertised.listeners': 'SASL_SSL://127.0.0.1:$port',
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL',
  'security.inter.broker.protocol': 'SASL_SSL',
  'sasl.mechanism.inter.broker.protocol': 'PLAIN',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  'listener.name.sasl_ssl.plain.sasl.jaas.config':
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="a" user_admin="a" user_weir="swordfish" user_guest="guest" user_modest="modest";',
  'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.location': broker,
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': ca,
  'listener.name.sasl_ssl.ssl.client.auth': 'required',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:admin;User:weir;User:ANONYMOUS',
})

const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism => ['--add-scram', `${mechanism}=[name=weir,password=swordfish]`])

interface Access {
  mechanism?: string
  user?: string
  password?: string
  tls?: object
}

/** A configuration file for this access. */
async function configFile({ mechanism = 'scram-sha-512', user = 'weir', password = 'swordfish', tls }: Access): Promise<string> {
  const file = path.join(directory, `${Math.random()}.yaml`)
  const trusting = tls ?? { ca: files.ca, ...files.client }
  const kafkaOptions = { brokers: kafka.addresses, tls: trusting, sasl: { mechanism, user, password }, replication: 1, partitions: 1 }
  const config = { data_dir: path.join(directory, 'data'), bus: { kafka: kafkaOptions }, clickhouse: { url: 'http://127.0.0.1:1' } }
  await writeFile(file, stringify(config))
  return file
}

if (missing) skipped('Kafka with TLS and SASL', missing)
else {
  test.before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'weir-kafka-security-'))
    files = await makeCertificates(directory)
    kafka = await startBrokers({ properties: properties(files), format: users })
  })
  test.after.always(async () => {
    await kafka?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'])
    test(`TLS with certificates on both sides, and ${mechanism}: what is published is read`, async t => {
      const { bus: options } = await readConfig(await configFile({ mechanism }))
      await using bus = openKafka(options.kafka, kafka.addresses, log, { create: true })
      await bus.ensureTopic(mechanism)
      await bus.publish(mechanism, [{ headers: { n: '1' }, body: Buffer.from('body') }])
      const [message] = await assigned(bus, mechanism, 'g', assignment => readAll(assignment, 1))
      t.is(Buffer.from(message.body).toString(), 'body')
    })

  const refusals: Record<string, [access: () => Access, output: RegExp]> = {
    'a wrong password': [
      () => ({ password: 'hunter2' }),
      /bus\.kafka\.sasl \(user \\?"weir\\?"\): Kafka at \S+ refuses the connection: .*SCRAM-SHA-512/,
    ],
    'a wrong password with PLAIN': [
      () => ({ mechanism: 'plain', password: 'hunter2' }),
      /bus\.kafka\.sasl .* refuses the connection: .*Invalid username or password/,
    ],
    'an authority nobody named': [() => ({ tls: { ...files.client } }), /bus\.kafka\.tls: Kafka at \S+ refuses .*self-signed certificate/],
    'no certificate of ours': [() => ({ tls: { ca: files.ca } }), /bus\.kafka\.tls: Kafka at \S+ refuses .*certificate/],
    'a file that is not there': [
      () => ({ tls: { ca: '/nowhere.pem' } }),
      /bus\.kafka\.tls\.ca: expected a PEM file, got \\?"\/nowhere\.pem/,
    ],
  }
  for (const [name, [access, output]] of Object.entries(refusals))
    test(`${name}: exit code 2 with the reason, and no password`, async t => {
      const file = await configFile(access())
      const { code, stdout, stderr } = await runCli(['--config', file, 'collect'])
      t.is(code, 2, stderr)
      t.regex(stderr, output)
      t.notRegex(stdout + stderr, /hunter2|swordfish/)
    })

  test('who may not write is told so, with the topic', async t => {
    const { bus: allowed } = await readConfig(await configFile({}))
    await using bus = openKafka(allowed.kafka, kafka.addresses, log, { create: true })
    await bus.ensureTopic('private')
    const { bus: denied } = await readConfig(await configFile({ mechanism: 'plain', user: 'guest', password: 'guest' }))
    await using guest = openKafka(denied.kafka, kafka.addresses, log)
    await t.throwsAsync(guest.publish('private', [{ headers: {}, body: new Uint8Array(1) }]), {
      message: /^cannot publish to private: .*TOPIC_AUTHORIZATION_FAILED/,
    })
  })

  test('the rights that the manual names are enough to publish, read, commit and look at the lag', async t => {
    const { bus: allowed } = await readConfig(await configFile({}))
    await using bus = openKafka(allowed.kafka, kafka.addresses, log, { create: true })
    await bus.ensureTopic('weir-rights')
    const ssl = { ca: await readFile(files.ca), cert: await readFile(files.client.cert), key: await readFile(files.client.key) }
    const sasl = { mechanism: 'plain', username: 'admin', password: 'a' } as const
    const admin = new Kafka({ brokers: kafka.addresses, ssl, sasl, logLevel: logLevel.NOTHING }).admin()
    const rights = { resourceName: 'weir-', resourcePatternType: 4, principal: 'User:modest', host: '*', permissionType: 3 }
    const right = (resourceType: number, operation: number) => ({ ...rights, resourceType, operation })
    const [topics, groups] = [2, 3]
    const [read, write, describe] = [3, 4, 8]
    await admin.connect()
    await admin.createAcls({
      acl: [right(topics, read), right(topics, write), right(topics, describe), right(groups, read), right(groups, describe)],
    })
    await admin.disconnect()
    const { bus: modest } = await readConfig(await configFile({ mechanism: 'plain', user: 'modest', password: 'modest' }))
    await using own = openKafka(modest.kafka, kafka.addresses, log)
    await own.ensureTopic('weir-rights')
    await own.publish('weir-rights', [{ headers: {}, body: new Uint8Array(1) }])
    await assigned(own, 'weir-rights', 'modest', async assignment => {
      const [{ offset }] = await readAll(assignment, 1)
      await assignment.commit({ offset, metadata: '' })
    })
    t.like(await own.lag(), [{ topic: 'weir-rights', group: 'modest', messages: 1 }])
    t.is((await Array.fromAsync(own.recent('weir-rights', () => true))).length, 1)
  })

  test('config default shows no password', async t => {
    const { stdout } = await runCli(['--config', await configFile({}), 'config', 'default'])
    t.regex(stdout, /user: weir/)
    t.notRegex(stdout, /swordfish/)
  })
}
