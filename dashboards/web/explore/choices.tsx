import { useEffect, useState } from 'preact/hooks'
import type { Catalog } from '../../../schema/catalog.ts'
import { pictures } from '../../panel.ts'
import { catalog } from '../api.ts'
import { Icon } from '../components/icon.tsx'
import { Popup } from '../components/popup.tsx'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'

export function useCatalog(): Catalog | undefined {
  const [known, setKnown] = useState<Catalog>()
  useEffect(() => {
    catalog().then(setKnown, () => setKnown(undefined))
  }, [])
  return known
}

/** The kind of record the chosen metrics are about. */
export const kindOf = ({ metrics }: Catalog, names: readonly string[]) => metrics.find(({ name }) => name === names[0])?.kinds[0] ?? 'flow'

const tops = [5, 10, 20, 50, 100]
const everies = [0, 10, 30, 60, 300, 900, 3600, 86_400]

/** What is asked and how it is shown. */
export function Choices({ known }: { known: Catalog }) {
  const { state } = useApp()
  const { metrics, by } = state
  const kind = kindOf(known, metrics)
  const chooseMetric = (name: string) => {
    const next = known.metrics.find(metric => metric.name === name)!
    const fits = metrics.every(other => known.metrics.find(metric => metric.name === other)?.kinds.some(kind => next.kinds.includes(kind)))
    const added = fits ? [...metrics, name] : [name]
    const allowed = new Set(known.dimensions.filter(dimension => next.kinds.includes(dimension.kind)).map(dimension => dimension.name))
    go({
      metrics:
        metrics.includes(name) && metrics.length > 1 ? metrics.filter(other => other !== name) : metrics.includes(name) ? metrics : added,
      by: by.filter(name => allowed.has(name)),
    })
  }
  const dimensions = known.dimensions.filter(dimension => dimension.kind === kind && dimension.groupable)
  return (
    <div class="page-head choices">
      <Chooser
        title="Metrics"
        chosen={metrics}
        options={known.metrics.map(({ name, title, about, kinds }) => ({
          name,
          title,
          about,
          group: kinds.length > 1 ? 'any' : kinds[0]!,
        }))}
        toggle={chooseMetric}
      />
      <Chooser
        title="By"
        chosen={by}
        options={dimensions.map(({ name, about, cardinality }) => ({ name, title: name, about, group: `${cardinality} cardinality` }))}
        toggle={name => go({ by: by.includes(name) ? by.filter(other => other !== name) : [...by, name] })}
      />
      <label class="inline">
        Top
        <select class="field" value={state.top} onChange={({ currentTarget }) => go({ top: Number(currentTarget.value) })}>
          {[...new Set([...tops, state.top])].map(top => (
            <option key={top} value={top}>
              {top}
            </option>
          ))}
        </select>
      </label>
      <label class="inline">
        Every
        <select class="field" value={state.every} onChange={({ currentTarget }) => go({ every: Number(currentTarget.value) })}>
          {[...new Set([...everies, state.every])].map(every => (
            <option key={every} value={every}>
              {every ? (every < 60 ? `${every} s` : every < 3600 ? `${every / 60} min` : `${every / 3600} h`) : 'auto'}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

/** How the answer is shown. */
export function PictureChoice() {
  const { state } = useApp()
  return (
    <div class="segments" role="group" aria-label="Picture">
      {pictures.map(picture => (
        <button key={picture} type="button" aria-pressed={state.picture === picture} onClick={() => go({ picture })}>
          {picture[0]!.toUpperCase() + picture.slice(1)}
        </button>
      ))}
    </div>
  )
}

interface ChooserProps {
  title: string
  chosen: readonly string[]
  options: readonly { name: string; title: string; about: string; group: string }[]
  toggle(name: string): void
}

function Chooser({ title, chosen, options, toggle }: ChooserProps) {
  const [text, setText] = useState('')
  const shown = options.filter(option => `${option.name} ${option.title}`.toLowerCase().includes(text.toLowerCase()))
  return (
    <div class="chooser">
      <Popup
        label={`${title}: ${chosen.join(', ') || 'nothing'}`}
        button={
          <>
            <Icon name="plus" />
            {title}
          </>
        }
      >
        {() => (
          <div class="chooser-list">
            <input
              class="field"
              type="search"
              aria-label={`Find in ${title}`}
              placeholder="Find"
              value={text}
              onInput={({ currentTarget }) => setText(currentTarget.value)}
              autofocus
            />
            <ul>
              {shown.map(option => (
                <li key={option.name}>
                  <button
                    type="button"
                    class="option"
                    aria-pressed={chosen.includes(option.name)}
                    onClick={() => toggle(option.name)}
                    title={option.about}
                  >
                    <span>{option.title}</span>
                    <small>{option.group}</small>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
      </Popup>
      {chosen.map(name => (
        <button
          key={name}
          type="button"
          class="chip accent"
          aria-label={`Remove ${name}`}
          title={`Remove ${name}`}
          onClick={() => toggle(name)}
        >
          {name} ×
        </button>
      ))}
    </div>
  )
}
