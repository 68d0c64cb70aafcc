import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

let loaded: protobuf.Root | undefined

/** Hubble's messages as protobufjs types, with the field names of the .proto files: `loadObserverProto().lookupType('observer.GetFlowsResponse')`. */
export function loadObserverProto(): protobuf.Root {
  if (loaded) return loaded
  const root = new protobuf.Root()
  const google = root.resolvePath.bind(root)
  root.resolvePath = (origin, target) =>
    target.startsWith('google/') ? google(origin, target) : fileURLToPath(new URL(target.split('/').at(-1)!, import.meta.url))
  loaded = root.loadSync('observer.proto', { keepCase: true })
  loaded.resolveAll()
  return loaded
}
