const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text that is safe inside HTML: names in traffic are written by strangers. */
export const escape = (text: string) => text.replace(/[&<>"']/g, character => entities[character]!)

/** A row of a tooltip: colour, name, value. */
export const tooltipRow = (colour: string, name: string, value: string) =>
  `<div style="display:flex;gap:8px;align-items:center"><span style="width:8px;height:8px;border-radius:2px;background:${escape(colour)}"></span>` +
  `<span style="flex:1;max-width:280px;overflow:hidden;text-overflow:ellipsis">${escape(name)}</span><b style="font-variant-numeric:tabular-nums">${escape(value)}</b></div>`
