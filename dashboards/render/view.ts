import type { Answer } from '../question.ts'
import type { Colours } from './colours.ts'

/** What a picture is made of besides the answer. */
export interface View {
  metrics: readonly string[]
  colours: Colours
  /** Seconds per point: counts are shown per second. */
  every?: number
  /** Names of metrics, for people. */
  names?: Readonly<Record<string, string>>
  /** Ends of the time axis, in milliseconds. */
  from?: number
  to?: number
  /** Said to those who do not see the picture. */
  title?: string
}

export type Draw = (answer: Answer, view: View) => Option

/** An ECharts option; the parts we set. */
export type Option = Record<string, unknown>

/** The frame all charts share: type, animation off between refreshes, a description for screen readers. */
export function frame({ colours, title = 'Chart' }: View): Option {
  return {
    animation: false,
    backgroundColor: 'transparent',
    color: colours.series,
    textStyle: { fontFamily: 'system-ui, sans-serif', color: colours.text, fontSize: 11 },
    aria: { enabled: true, label: { description: title } },
  }
}

/** A tooltip in the colours of the page. */
export const tooltip = ({ colours }: View): Option => ({
  confine: true,
  backgroundColor: colours.surface,
  borderColor: colours.grid,
  borderWidth: 1,
  padding: [8, 10],
  textStyle: { color: colours.text, fontSize: 12 },
  extraCssText: 'border-radius:6px;box-shadow:0 4px 16px rgb(0 0 0/.16)',
})
