import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { light, type Colours } from '../../render/colours.ts'
import { type State, initial } from './url.ts'

/** What every page knows: the state in the address, the colours, and the tick of the refresh. */
export interface App {
  state: State
  colours: Colours
  /** Counts refreshes; whoever asks asks again when it changes. */
  tick: number
  refresh(): void
}

export const AppContext = createContext<App>({ state: initial, colours: light, tick: 0, refresh() {} })
export const useApp = () => useContext(AppContext)
