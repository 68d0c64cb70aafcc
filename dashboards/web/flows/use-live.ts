import { useEffect, useRef, useState } from 'preact/hooks'
import { type Row, liveAddress } from '../api.ts'

const kept = 500
const drawEveryMs = 250
const rateOverMs = 3000

export interface Live {
  rows: readonly Row[]
  /** Records a second, lately, with those the server left out. */
  perSecond: number
  paused: boolean
  failed: boolean
  pause(paused: boolean): void
}

/** The newest records as they come; drawn four times a second however many there are. */
export function useLive({ kind, where, on }: { kind: string; where: string; on: boolean }): Live {
  const [shown, setShown] = useState<{ rows: Row[]; perSecond: number }>({ rows: [], perSecond: 0 })
  const [paused, pause] = useState(false)
  const [failed, setFailed] = useState(false)
  const isPaused = useRef(paused)
  isPaused.current = paused
  useEffect(() => {
    setShown({ rows: [], perSecond: 0 })
    if (!on) return
    const source = new EventSource(liveAddress({ kind, where }))
    let rows: Row[] = []
    let counted: { time: number; records: number }[] = []
    source.addEventListener('record', ({ data }: MessageEvent<string>) => {
      counted.push({ time: Date.now(), records: 1 })
      rows = [JSON.parse(data) as Row, ...rows].slice(0, kept)
    })
    source.addEventListener('skipped', ({ data }: MessageEvent<string>) => {
      counted.push({ time: Date.now(), records: (JSON.parse(data) as { records: number }).records })
    })
    source.addEventListener('open', () => setFailed(false))
    source.addEventListener('error', () => setFailed(true))
    const timer = setInterval(() => {
      counted = counted.filter(({ time }) => time > Date.now() - rateOverMs)
      const perSecond = counted.reduce((sum, { records }) => sum + records, 0) / (rateOverMs / 1000)
      setShown(old => (isPaused.current ? { ...old, perSecond } : { rows, perSecond }))
    }, drawEveryMs)
    return () => {
      source.close()
      clearInterval(timer)
    }
  }, [kind, where, on])
  return { ...shown, paused, failed, pause }
}
