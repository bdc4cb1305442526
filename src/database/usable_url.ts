/** Scheme, user and password, hosts with their ports, and the rest; a password may hold an @. */
const parts = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/

/** Whether postgres.js can take a text for the URL of one server or several (`a:5432,b:5433`). */
export function isUsableUrl(text: string): boolean {
  if (/[\s\p{Cc}]/u.test(text)) return false
  const [, head, hosts, rest] = parts.exec(text) ?? []
  if (head === undefined || hosts === undefined) return false
  return (
    isDecodable(text) &&
    hosts.split(',').every((host) => URL.canParse(`${head}${host || 'localhost'}${rest}`))
  )
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
