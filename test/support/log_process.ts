/** Writes a few lines through the logger that the settings in the environment make: `node log_process.ts`. */
import { parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/log.ts'

const config = parseConfig(process.env)
const logger = createLogger(config)
const { apiKey = '', databaseUrl = '', databaseReadUrl = '' } = config
const password = process.env.PASSWORD_AS_IT_IS ?? ''
const cause = new Error(`password authentication failed for ${databaseUrl}`)
const error = Object.assign(new Error(`it said ${apiKey} and ${password}`, { cause }), {
  request: { deep: { deeper: [`x-openfigi-apikey: ${apiKey}`, { [`${password}`]: 1 }] } },
})

logger.debug({}, 'too quiet to be heard')
logger.info(
  { apiKey, nested: { password: 'another one', headers: { authorization: 'Bearer' } } },
  'by their names',
)
logger.warn(
  { url: databaseReadUrl, conninfo: `host=h password=${password} user=u` },
  `connecting to ${databaseUrl}`,
)
logger.error({ err: error, pid: 123_456 }, `failed with ${encodeURIComponent(password)}\nand a second line`)
logger.error({}, 'postgres://somebody:short@h/d, postgresql://other:p%40w@h2,h3/d?sslmode=require')
