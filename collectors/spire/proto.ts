import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

let loaded: protobuf.Root | undefined

/** SPIRE's messages as protobufjs types, with the field names of spire.proto. */
export function loadSpireProto(): protobuf.Root {
  if (loaded) return loaded
  loaded = new protobuf.Root().loadSync(fileURLToPath(new URL('spire.proto', import.meta.url)), { keepCase: true })
  loaded.resolveAll()
  return loaded
}
