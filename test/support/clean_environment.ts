/** Of the user's environment, what must not reach a test: his databases, keys and settings, colours, and what npm hands on of this project. */
const PRIVATE =
  /^(DATABASE_|OPENFIGI_|PGFIGI_(?!TEST_MARK_)|PG(?!FIGI_)|ROOT_DATABASE_URL$|SHADOW_DATABASE_URL$|GRAPHILE_|npm_config_strict_allow_scripts$)/
const COLOUR = /^(NO_COLOR|FORCE_COLOR|CLICOLOR)/

export function cleanEnvironment(
  own: Readonly<Record<string, string>> = {},
  inherited: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept = Object.entries(inherited).filter(([name]) => !PRIVATE.test(name) && !COLOUR.test(name))
  return { ...Object.fromEntries(kept), ...own }
}
