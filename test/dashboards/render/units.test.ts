import test from 'ava'
import { format } from '../../../dashboards/render/units.ts'

const cases: readonly [value: number | null, unit: string, perSecond: boolean, text: string][] = [
  [0, '{request}', true, '0/s'],
  [12.345, '{request}', true, '12.3/s'],
  [999.9, '{request}', false, '1k'],
  [1_234_567, '{flow}', false, '1.23M'],
  [0.0123, '{request}', true, '0.0123/s'],
  [0.0312, 's', false, '31.2 ms'],
  [2.4, 's', false, '2.4 s'],
  [90, 's', false, '1.5 min'],
  [34_000, 'ns', false, '34 µs'],
  [0, 's', false, '0 s'],
  [0.0547, '1', false, '5.47 %'],
  [1_500_000, 'By', true, '1.5 MB/s'],
  [12, 'By', false, '12 B'],
  [null, 's', false, '–'],
]

for (const [value, unit, perSecond, text] of cases) {
  test(`${value} in ${unit}${perSecond ? ' per second' : ''} is ${text}`, t => t.is(format(value, unit, perSecond), text))
}
