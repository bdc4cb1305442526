import type { Config } from './config.ts'

export const mark = '[secret]'

/** What is shorter stands in too many words that mean something else; in URLs it is found all the same. */
const shortest = 6

/** The settings that hold secrets. */
export type SecretSettings = Pick<
  Config,
  'apiKey' | 'databaseUrl' | 'databaseReadUrl' | 'databaseDirectUrl' | 'page'
>

/** The key, and the passwords of connection strings, in each form in which they may be written. */
export function secretsOf(settings: SecretSettings): readonly string[] {
  const urls = [settings.databaseUrl, settings.databaseReadUrl, settings.databaseDirectUrl]
  const { apiKey, page } = settings
  const forms = [apiKey, page.password, page.token, ...urls.map(passwordOf)].flatMap((secret) =>
    formsOf(secret ?? ''),
  )
  // The longest first: one may be a part of another.
  return [...new Set(forms)].filter((form) => form.length >= shortest).sort((a, b) => b.length - a.length)
}

/** The text without these secrets, and without the password of any connection string. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const without = secrets.reduce((left, secret) => left.replaceAll(secret, mark), text)
  return without
    .replace(/(postgres(?:ql)?:\/\/[^\s:/@"']*):[^\s"']*@/gi, `$1:${mark}@`)
    .replace(/\b(password=)[^\s&"']+/gi, `$1${mark}`)
}

/** As it stands in the URL, which may name several servers. A password that is the name of the user is no secret. */
function passwordOf(url: string | undefined): string | undefined {
  const userinfo = /^[^:]+:\/\/([^/?#]*)@/.exec(url ?? '')?.[1]
  const [user, ...rest] = userinfo?.split(':') ?? []
  const password = rest.join(':')
  return password === user ? undefined : password
}

function formsOf(secret: string): string[] {
  return [secret, decoded(secret), encodeURIComponent(decoded(secret))]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
