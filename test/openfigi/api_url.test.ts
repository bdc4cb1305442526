import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InvalidSettingError } from '../../src/errors/invalid_setting_error.ts'
import { mappingUrl, parseApiUrl } from '../../src/openfigi/api_url.ts'

const target = (text: string) => mappingUrl(parseApiUrl(text)).href

test('the mapping endpoint lies below the base, with or without a trailing slash or a path', () => {
  assert.is(target('https://api.openfigi.com'), 'https://api.openfigi.com/v3/mapping')
  assert.is(target('https://api.openfigi.com/'), 'https://api.openfigi.com/v3/mapping')
  assert.is(target('https://proxy.example/openfigi/'), 'https://proxy.example/openfigi/v3/mapping')
})

test('plain http is for this machine alone', () => {
  for (const url of ['http://localhost:8080', 'http://127.0.0.1:1', 'http://127.8.9.1', 'http://[::1]:99/']) {
    assert.ok(parseApiUrl(url), url)
  }
  for (const url of [
    'http://api.openfigi.com',
    'http://0.0.0.0',
    'http://10.0.0.1',
    'http://localhost.example',
    'http://127.0.0.1.example',
    'ftp://localhost',
    'file:///etc/passwd',
  ]) {
    assert.throws(() => parseApiUrl(url), /OPENFIGI_API_URL must begin with https/, url)
  }
})

test('credentials in the URL are refused, and not repeated', () => {
  for (const url of ['https://me:hunter2@api.openfigi.com', 'https://hunter2@api.openfigi.com']) {
    assert.throws(
      () => parseApiUrl(url),
      (error: Error) =>
        error instanceof InvalidSettingError &&
        /OPENFIGI_API_KEY/.test(error.message) &&
        !/hunter2/.test(error.message),
    )
  }
})

test('what is no base is refused, with the remedy', () => {
  assert.throws(() => parseApiUrl(''), /must be a URL/)
  assert.throws(() => parseApiUrl('api.openfigi.com'), /must be a URL/)
  assert.throws(() => parseApiUrl('https://api.openfigi.com?key=1'), /query/)
  assert.throws(() => parseApiUrl('https://api.openfigi.com/#a'), /fragment/)
  assert.throws(() => parseApiUrl('https://api.openfigi.com/v3'), /before \/v3\/mapping/)
  assert.throws(() => parseApiUrl('https://api.openfigi.com/v3/mapping/'), /before \/v3\/mapping/)
})

test.run()
