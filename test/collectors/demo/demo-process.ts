import { openEmbeddedBus } from '../../../runtime/bus/embedded.ts'
import { openLog } from '../../../runtime/log.ts'
import { runDemo } from '../../../collectors/demo/index.ts'

/** A demo in a process of its own, to be killed: node demo-process.ts DATA_DIR BUS_FILE RATE. Prints its address. */
const [dataDir, path, rate] = process.argv.slice(2)
const log = openLog({ write: () => {} })
await using bus = await openEmbeddedBus({ path, log })
await using demo = await runDemo({ bus, dataDir, rate: Number(rate), seed: 21, log, signal: new AbortController().signal })
console.log(demo.address)
await new Promise(resolve => process.once('SIGTERM', resolve))
