/** Whether ClickHouse takes the pattern: a backslash needs something to escape. */
export const isLikePattern = (pattern: string) => !/(?:^|[^\\])(?:\\\\)*\\$/.test(pattern)

/** LIKE as ClickHouse reads it: `%` any text, `_` any character, `\` before `%`, `_` or `\` takes it as it is. */
export function likeExpression(pattern: string, ignoreCase: boolean): RegExp {
  const body = pattern.replace(/\\([%_\\])|%|_|[\s\S]/gu, (part, escaped: string | undefined) => {
    if (escaped) return literal(escaped)
    if (part === '%') return '.*'
    return part === '_' ? '.' : literal(part)
  })
  return new RegExp(`^${body}$`, ignoreCase ? 'sui' : 'su')
}

const literal = (character: string) => character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
