import * as encode from '../collectors/ipfix/encode.ts'

/** Datagrams of one kind; `declare` comes once before them. */
export interface Form {
  declare?: Buffer
  datagram: Buffer
}

const { ipv4, number, uint16, uint32 } = encode
const base: readonly encode.FieldSpec[] = [
  ...[8, 12].map(id => ({ id, length: 4 })),
  ...[7, 11].map(id => ({ id, length: 2 })),
  ...[4, 6].map(id => ({ id, length: 1 })),
  ...[1, 2, 152, 153].map(id => ({ id, length: 8 })),
  ...[10, 14].map(id => ({ id, length: 4 })),
]

function record(index: number): Buffer[] {
  const ends = [ipv4(`10.0.${index % 4}.1`), ipv4(`10.0.${index % 5}.2`), uint16(40_000 + index), uint16(443)]
  const counts = [number(6, 1), number(18, 1), number(1500, 8), number(2, 8)]
  return [...ends, ...counts, number(1.7e12, 8), number(1.7e12 + 5, 8), uint32(1), uint32(2)]
}

function ipfixForm(id: number, more: readonly encode.FieldSpec[], extra: (index: number) => Buffer[]): Form {
  const records = Array.from({ length: 18 }, (_, index) => Buffer.concat([...record(index), ...extra(index)]))
  return {
    declare: encode.ipfix([encode.ipfixTemplate(id, [...base, ...more])]),
    datagram: encode.ipfix([encode.set(id, Buffer.concat(records))]),
  }
}

const text = (value: string) => encode.variableLength(Buffer.from(value))
const packet = Buffer.from(
  '02000000000102000000000208004500003c0001400040060000c0000201c63364019c4001bb00000001000000005012ffff00000000',
  'hex',
)

/** By what is told of them; each the same datagram over and over. */
export const forms: Readonly<Record<string, Form>> = {
  'NetFlow 5': {
    datagram: encode.netflow5(
      Array.from({ length: 30 }, (_, index) => ({ src: '10.0.0.1', dst: '10.0.0.2', srcPort: index, dstPort: 80 })),
    ),
  },
  'IPFIX of 12 fields': ipfixForm(300, [], () => []),
  'IPFIX both ways, rows': ipfixForm(
    301,
    [
      { id: 1, length: 8, enterprise: 29305 },
      { id: 2, length: 8, enterprise: 29305 },
    ],
    () => [number(50, 8), number(5, 8)],
  ),
  'IPFIX with a text of variable length': ipfixForm(302, [{ id: 82, length: 65_535 }], () => [text('eth0')]),
  'IPFIX with four texts of Antrea': ipfixForm(
    303,
    [100, 101, 102, 103].map(id => ({ id, length: 65_535, enterprise: 56_506 })),
    index => [`shop-${index % 3}`, `pod-${index}`, 'data', `web-${index % 5}`].map(text),
  ),
  sFlow: {
    datagram: encode.sflow(
      Array.from({ length: 7 }, (_, index) => encode.flowSample([encode.rawHeader(packet, 1000)], { sequence: index + 1, rate: 100 })),
    ),
  },
}
