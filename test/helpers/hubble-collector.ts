import { hubble } from '../../collectors/hubble/source.ts'
import { openPublisher } from '../../collectors/publisher.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { component } from '../../runtime/telemetry.ts'

/** Run as a process: collects from the Hubble at an address into the embedded bus at a path, until it is killed. */
const [path, address] = process.argv.slice(2)
const log = openLog({ level: 'error' })
const bus = await openEmbeddedBus({ path, log })
const instruments = component('source', hubble.name)
const outbox = openPublisher({ bus, collector: 'collector/hubble', log, instruments })
await hubble.run({ address }, { outbox, log, instruments, signal: new AbortController().signal, status: () => {} })
