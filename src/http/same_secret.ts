import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const key = randomBytes(32)

/**
 * Whether two texts are the same, in a time that tells nothing of the secret. Keyboards compose letters in different ways:
 * what looks the same counts as the same.
 */
export function sameSecret(given: string, secret: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(secret))
}

/** Of one length, whatever the text's. */
function digestOf(text: string): Buffer {
  return createHmac('sha256', key).update(text.normalize('NFC')).digest()
}
