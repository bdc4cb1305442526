import { partsOf } from './server_urls.ts'

/** Whether postgres.js can take a text for the URL of one server or several (`a:5432,b:5433`). */
export function isUsableUrl(text: string): boolean {
  if (/[\s\p{Cc}]/u.test(text) || !/^postgres(ql)?:/.test(text)) return false
  const parts = partsOf(text)
  if (parts === null) return false
  const { before, hosts, after } = parts
  return isDecodable(text) && hosts.every((host) => URL.canParse(`${before}${host || 'localhost'}${after}`))
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
