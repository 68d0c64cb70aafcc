import protobuf from 'protobufjs'
import { Block } from '../../../runtime/block/block.ts'
import type { BlockBuilder } from '../../../runtime/block/builder.ts'

// opentelemetry-proto, logs/v1/logs.proto and common/v1/common.proto: what is used of them.
const { root } = protobuf.parse(`
syntax = "proto3";
message AnyValue { string string_value = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message LogRecord { fixed64 time_unix_nano = 1; repeated KeyValue attributes = 6; }
message ScopeLogs { repeated LogRecord log_records = 2; }
message ResourceLogs { repeated ScopeLogs scope_logs = 2; }
message LogsData { repeated ResourceLogs resource_logs = 1; }`)
const LogsData = root.lookupType('LogsData')
const recordsPerMessage = 512

/** The rows of a block as OTLP logs, a field that says something an attribute. */
export function logsOf(builder: BlockBuilder): Uint8Array[] {
  const records = new Block(builder.encode()).records().map(({ time, ...fields }) => ({
    timeUnixNano: Number(time) * 1000,
    attributes: Object.entries(fields)
      .filter(([, value]) => value && String(value) !== '::')
      .map(([key, value]) => ({ key, value: { stringValue: String(value) } })),
  }))
  const messages: Uint8Array[] = []
  for (let at = 0; at < records.length; at += recordsPerMessage)
    messages.push(LogsData.encode({ resourceLogs: [{ scopeLogs: [{ logRecords: records.slice(at, at + recordsPerMessage) }] }] }).finish())
  return messages
}
