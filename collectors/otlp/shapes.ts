/** Types of fields that are no messages; `int` and `sint` are varints, an enum may be given by name. */
export type Scalar = 'string' | 'bytes' | 'traceId' | 'spanId' | 'bool' | 'double' | 'fixed64' | 'fixed32' | 'int' | 'sint' | 'enum'

export interface FieldShape {
  number: number
  /** A scalar, or the name of a message. */
  type: string
  repeated: boolean
  packed: boolean
}

/** The fields of a message by their keys in JSON, camelCase and snake_case. */
export type MessageShape = ReadonlyMap<string, FieldShape>

/** Fields of opentelemetry-proto 1.11 that are read: name, number, type; [] for lists, [packed] for packed ones. */
const fields = {
  ExportTraceServiceRequest: 'resourceSpans 1 ResourceSpans[]',
  ExportLogsServiceRequest: 'resourceLogs 1 ResourceLogs[]',
  ExportMetricsServiceRequest: 'resourceMetrics 1 ResourceMetrics[]',
  ResourceSpans: 'resource 1 Resource, scopeSpans 2 ScopeSpans[]',
  ResourceLogs: 'resource 1 Resource, scopeLogs 2 ScopeLogs[]',
  ResourceMetrics: 'resource 1 Resource, scopeMetrics 2 ScopeMetrics[]',
  ScopeSpans: 'scope 1 Scope, spans 2 Span[]',
  ScopeLogs: 'scope 1 Scope, logRecords 2 LogRecord[]',
  ScopeMetrics: 'scope 1 Scope, metrics 2 Metric[]',
  Resource: 'attributes 1 KeyValue[], droppedAttributesCount 2 int',
  Scope: 'name 1 string, version 2 string, attributes 3 KeyValue[]',
  KeyValue: 'key 1 string, value 2 AnyValue',
  AnyValue:
    'stringValue 1 string, boolValue 2 bool, intValue 3 int, doubleValue 4 double, arrayValue 5 ArrayValue, kvlistValue 6 KeyValueList, bytesValue 7 bytes',
  ArrayValue: 'values 1 AnyValue[]',
  KeyValueList: 'values 1 KeyValue[]',
  Span:
    'traceId 1 traceId, spanId 2 spanId, traceState 3 string, parentSpanId 4 spanId, name 5 string, kind 6 enum, startTimeUnixNano 7 fixed64, ' +
    'endTimeUnixNano 8 fixed64, attributes 9 KeyValue[], droppedAttributesCount 10 int, events 11 Event[], droppedEventsCount 12 int, ' +
    'links 13 Link[], droppedLinksCount 14 int, status 15 Status, flags 16 fixed32',
  Event: 'timeUnixNano 1 fixed64, name 2 string, attributes 3 KeyValue[], droppedAttributesCount 4 int',
  Link: 'traceId 1 traceId, spanId 2 spanId, traceState 3 string, attributes 4 KeyValue[], droppedAttributesCount 5 int, flags 6 fixed32',
  Status: 'message 2 string, code 3 enum',
  LogRecord:
    'timeUnixNano 1 fixed64, severityNumber 2 enum, severityText 3 string, body 5 AnyValue, attributes 6 KeyValue[], ' +
    'droppedAttributesCount 7 int, flags 8 fixed32, traceId 9 traceId, spanId 10 spanId, observedTimeUnixNano 11 fixed64, eventName 12 string',
  Metric:
    'name 1 string, description 2 string, unit 3 string, gauge 5 Gauge, sum 7 Sum, histogram 9 Histogram, ' +
    'exponentialHistogram 10 ExponentialHistogram, summary 11 Summary',
  Gauge: 'dataPoints 1 NumberDataPoint[]',
  Sum: 'dataPoints 1 NumberDataPoint[], aggregationTemporality 2 enum, isMonotonic 3 bool',
  Histogram: 'dataPoints 1 HistogramDataPoint[], aggregationTemporality 2 enum',
  ExponentialHistogram: 'dataPoints 1 ExponentialHistogramDataPoint[], aggregationTemporality 2 enum',
  Summary: 'dataPoints 1 SummaryDataPoint[]',
  NumberDataPoint:
    'startTimeUnixNano 2 fixed64, timeUnixNano 3 fixed64, asDouble 4 double, asInt 6 fixed64, attributes 7 KeyValue[], flags 8 int',
  HistogramDataPoint:
    'startTimeUnixNano 2 fixed64, timeUnixNano 3 fixed64, count 4 fixed64, sum 5 double, bucketCounts 6 fixed64[packed], ' +
    'explicitBounds 7 double[packed], attributes 9 KeyValue[], flags 10 int, min 11 double, max 12 double',
  ExponentialHistogramDataPoint:
    'attributes 1 KeyValue[], startTimeUnixNano 2 fixed64, timeUnixNano 3 fixed64, count 4 fixed64, sum 5 double, scale 6 sint, ' +
    'zeroCount 7 fixed64, positive 8 Buckets, negative 9 Buckets, flags 10 int, min 12 double, max 13 double, zeroThreshold 14 double',
  Buckets: 'offset 1 sint, bucketCounts 2 int[packed]',
  SummaryDataPoint:
    'startTimeUnixNano 2 fixed64, timeUnixNano 3 fixed64, count 4 fixed64, sum 5 double, quantileValues 6 ValueAtQuantile[], ' +
    'attributes 7 KeyValue[], flags 8 int',
  ValueAtQuantile: 'quantile 1 double, value 2 double',
} as const

const snake = (name: string) => name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

function shapeOf(text: string): MessageShape {
  const shape = new Map<string, FieldShape>()
  for (const line of text.split(', ')) {
    const [name, number, declared] = line.split(' ')
    const [type, list] = declared.split('[')
    const field = { number: Number(number), type, repeated: list !== undefined, packed: list === 'packed]' }
    shape.set(name, field)
    shape.set(snake(name), field)
  }
  return shape
}

export const shapes: ReadonlyMap<string, MessageShape> = new Map(Object.entries(fields).map(([name, text]) => [name, shapeOf(text)]))
