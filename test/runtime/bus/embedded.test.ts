import { busContract } from '../../contracts/bus.ts'
import { connect, start } from '../../helpers/embedded-bus.ts'

busContract({
  name: 'embedded bus',
  start,
  connect,
  module: new URL('../../helpers/embedded-bus.ts', import.meta.url),
  takeoverMs: 2_500,
})
