import { useEffect, useState } from 'preact/hooks'

/** Counts up every `seconds` while the page is seen, and whenever it is told to. */
export function useTick(seconds: number): [tick: number, refresh: () => void] {
  const [tick, setTick] = useState(0)
  const refresh = () => setTick(count => count + 1)
  useEffect(() => {
    if (!seconds) return
    const timer = setInterval(() => document.visibilityState === 'visible' && refresh(), seconds * 1000)
    return () => clearInterval(timer)
  }, [seconds])
  return [tick, refresh]
}
