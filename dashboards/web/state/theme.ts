import { useEffect, useState } from 'preact/hooks'
import { type Colours, dark, light } from '../../render/colours.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const system = matchMedia('(prefers-color-scheme: dark)')
const stored = () => themes.find(theme => theme === localStorage.getItem('weir-theme')) ?? 'system'
const isDark = (theme: Theme) => theme === 'dark' || (theme === 'system' && system.matches)

/** The theme of this browser, the colours it gives to charts, and how to change it. */
export function useTheme(): { theme: Theme; colours: Colours; choose(theme: Theme): void } {
  const [theme, setTheme] = useState(stored)
  const [, render] = useState(0)
  useEffect(() => {
    const follow = () => render(count => count + 1)
    system.addEventListener('change', follow)
    return () => system.removeEventListener('change', follow)
  }, [])
  document.documentElement.dataset.theme = isDark(theme) ? 'dark' : 'light'
  return {
    theme,
    colours: isDark(theme) ? dark : light,
    choose(next) {
      localStorage.setItem('weir-theme', next)
      setTheme(next)
    },
  }
}
