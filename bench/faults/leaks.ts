// What must not be seen in answers, pages and logs while things fail: secrets, tokens, addresses
// with passwords, and in answers the insides of the program.
import { ENCRYPTION_KEY, PASSWORD, SECRET_KEY } from './setup.ts'

// The codes that an app gets by a redirect are 400 answers' business as well, so every kind of
// token counts.
const TOKEN = /otesse_(?:at|rt|ac|cs)_[A-Za-z0-9]{20,}/
const URL_WITH_PASSWORD = /(?:postgres(?:ql)?|rediss?):\/\/[^\s"/]*:[^\s"/*]+@/
const STACK = /\n?\s+at [\w.<>]+ \(?(?:file|node):|\bat \S+ \(?\/[^\s)]+:\d+:\d+/
const INSIDES = /ioredis|kysely|ECONN|EAI_AGAIN|node:internal|NOAUTH|READONLY|MASTERDOWN|syscall/

/** Names what the text gives away, if it does. */
export function findLeak(text: string, where: 'answer' | 'page' | 'log'): string | undefined {
  if (TOKEN.test(text)) return 'a token'
  if (URL_WITH_PASSWORD.test(text)) return 'the address of a store with its password'
  if (text.includes(SECRET_KEY) || text.includes(ENCRYPTION_KEY)) return 'a key of the server'
  if (text.includes(PASSWORD)) return 'a password'
  if (where === 'log') return undefined
  if (STACK.test(text)) return 'a stack'
  return where === 'answer' && INSIDES.test(text) ? 'the words of a store' : undefined
}
