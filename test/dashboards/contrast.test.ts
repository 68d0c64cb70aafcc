import { readFile } from 'node:fs/promises'
import test from 'ava'

/** The colours of both themes, as the style sheet has them. */
async function themes(): Promise<Record<'light' | 'dark', Map<string, string>>> {
  const css = await readFile('dashboards/web/style/tokens.css', 'utf8')
  const colours = (block: string) => new Map([...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]))
  const [light, dark] = [/:root \{([^}]*)\}/, /:root\[data-theme='dark'\] \{([^}]*)\}/].map(pattern => colours(pattern.exec(css)![1]!))
  return { light: light!, dark: dark! }
}

/** Relative luminance, as WCAG defines it. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map(at => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high! + 0.05) / (low! + 0.05)
}

const pairs: readonly (readonly [text: string, ground: string])[] = [
  ...['text', 'muted', 'faint', 'accent', 'error', 'warning'].map(text => [text, 'surface'] as const),
  ...['text', 'muted', 'accent', 'error'].map(text => [text, 'ground'] as const),
  ...['text', 'muted'].map(text => [text, 'sunken'] as const),
  ['accent', 'accent-soft'],
  ['error', 'error-soft'],
  ['warning', 'warning-soft'],
  ['on-accent', 'accent'],
  ['text', 'raised'],
  ['muted', 'raised'],
]

for (const theme of ['light', 'dark'] as const) {
  test(`text can be read in the ${theme} theme: contrast AA`, async t => {
    const colours = (await themes())[theme]
    for (const [text, ground] of pairs) {
      const ratio = contrast(colours.get(text)!, colours.get(ground)!)
      t.true(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(2)}`)
    }
  })
}
