/** Whether ClickHouse takes the pattern: a backslash needs something to escape. */
export const isLikePattern = (pattern: string) => !/(?:^|[^\\])(?:\\\\)*\\$/.test(pattern)
