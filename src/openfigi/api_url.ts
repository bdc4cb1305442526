import { InvalidSettingError } from '../errors/invalid_setting_error.ts'

const setting = 'OPENFIGI_API_URL'

/**
 * The base URL of the API, checked: https, or plain http to this machine alone, because the API key travels with every
 * request. Messages never repeat the URL, for it may hold what should not be in it.
 */
export function parseApiUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url) throw new InvalidSettingError(setting, 'must be a URL, such as https://api.openfigi.com')
  if (url.username || url.password) {
    throw new InvalidSettingError(
      setting,
      'must not hold a user name or password: the key goes into OPENFIGI_API_KEY',
    )
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new InvalidSettingError(
      setting,
      'must begin with https:// (http:// is for localhost, 127.0.0.1 and [::1] only)',
    )
  }
  if (url.search || url.hash) throw new InvalidSettingError(setting, 'must not hold a query or a fragment')
  if (/\/v\d+(\/mapping)?\/*$/.test(url.pathname)) {
    throw new InvalidSettingError(
      setting,
      'must be the address before /v3/mapping, such as https://api.openfigi.com',
    )
  }
  return url
}

/** Where mapping jobs are sent. */
export function mappingUrl(base: URL): URL {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/v3/mapping`
  return url
}

/** As the URL parser spells them: 127.1 and 0x7f000001 arrive here as 127.0.0.1. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
