/** Somebody must change a setting: names the key, the value and what was expected. The process exits with 2. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}
