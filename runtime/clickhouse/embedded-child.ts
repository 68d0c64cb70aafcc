import { createRequire } from 'node:module'
import { DataType, load, open } from 'ffi-rs'
import { shareDirectory } from './lock.ts'

const [directory, ...options] = process.argv.slice(2)
using _share = shareDirectory(directory)
// The library exports the entry point of clickhouse-local. The call returns when the server has stopped.
const require = createRequire(import.meta.url)
const chdb = createRequire(require.resolve('chdb'))
open({ library: 'chdb', path: chdb.resolve(`@chdb/lib-${process.platform}-${process.arch}-gnu/libchdb.so`) })
const args = ['clickhouse', ...options]
load({
  library: 'chdb',
  funcName: 'query_stable_v2',
  retType: DataType.BigInt,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
})
