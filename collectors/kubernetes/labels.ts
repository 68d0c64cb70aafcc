/** Labels as they are stored, key=value, in the order of their keys. */
export function labelsOf(labels: Readonly<Record<string, string>> = {}): string[] {
  return Object.keys(labels)
    .sort()
    .map(key => `${key}=${labels[key]}`)
}
