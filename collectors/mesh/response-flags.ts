/** Short codes of Envoy's response flags, in the order of the fields of envoy.data.accesslog.v3.ResponseFlags, from field 1 on. */
export const responseFlags = [
  'LH',
  'UH',
  'UT',
  'LR',
  'UR',
  'UF',
  'UC',
  'UO',
  'NR',
  'DI',
  'FI',
  'RL',
  'UAEX',
  'RLSE',
  'DC',
  'URX',
  'SI',
  'IH',
  'DPE',
  'UMSDR',
  'RFCF',
  'NFCF',
  'DT',
  'UPE',
  'NC',
  'OM',
  'DF',
  'DR',
] as const

/** Codes as text, in one order and each once; nothing for the `-` of a log. */
export function flagsText(text: string): string {
  if (text === '-' || text === '') return ''
  return text.includes(',') ? [...new Set(text.split(','))].sort().join(',') : text
}
