// The browsers and networks that have signed an account in before, so that a flood of strangers
// does not keep its owner out. Invariants: a browser proves itself by a cookie that only we can
// make, for exactly the accounts that were signed in in it; nothing in the cookie or in the store
// tells which these are; and being known opens nothing: it only spares a small number of tries the
// limits of strangers.
import { DAY } from '../shared/clock.ts'
import { equalInConstantTime, type MacKey, randomBase62 } from '../shared/crypto.ts'

/** Where places are kept; what expires is gone. */
export interface PlaceStore {
  findRecord(key: string): Promise<string | undefined>
  putRecord(key: string, value: string, ttlMillis: number): Promise<void>
}

/**
 * Recognises places. An account is named by the key of its e-mail address, a network by the key of
 * its limit.
 */
export interface KnownPlaces {
  /** Returns a name for the browser that sent the cookie, where the account was signed in in it. */
  browserOf(cookie: string | undefined, account: string): string | undefined
  isKnownNetwork(network: string, account: string): Promise<boolean>
  /** Remembers both after a right password. Never rejects. @returns the browser's new cookie */
  remember(cookie: string | undefined, network: string, account: string): Promise<string>
}

/** How long a browser keeps its cookie after a sign-in. */
export const BROWSER_MEMORY_MILLIS = 180 * DAY
const NETWORK_MEMORY_MILLIS = 30 * DAY
const MOST_ACCOUNTS = 8
const MOST_NETWORKS = 20
const NAME_LENGTH = 16
// 131 bits.
const MARK_LENGTH = 22
const COOKIE = new RegExp(
  `^([0-9A-Za-z]{${NAME_LENGTH}})((?:\\.[0-9A-Za-z]{${MARK_LENGTH}}){0,${MOST_ACCOUNTS}})$`,
)

interface Browser {
  name: string
  marks: readonly string[]
}

/** Creates it. @param keys the current one first */
export function createKnownPlaces(keys: readonly MacKey[], store: PlaceStore): KnownPlaces {
  const [current] = keys
  if (current === undefined) throw new Error('at least one server secret is needed')
  const markOf = (key: MacKey, name: string, account: string): string =>
    key.base62(`browser ${name} ${account}`, MARK_LENGTH)
  const recordOf = (key: MacKey, account: string): string =>
    `kn:${key.base62(`account ${account}`, MARK_LENGTH)}`
  const networkMark = (key: MacKey, network: string, account: string): string =>
    key.base62(`network ${network} ${account}`, MARK_LENGTH)
  const marksFit = ({ name, marks }: Browser, account: string): boolean =>
    keys.some((key) => {
      const mark = markOf(key, name, account)
      return marks.some((each) => equalInConstantTime(each, mark))
    })

  async function networksOf(key: MacKey, account: string): Promise<readonly string[]> {
    const text = await store.findRecord(recordOf(key, account))
    return text === undefined ? [] : text.split(' ')
  }

  return {
    browserOf(cookie, account) {
      const browser = readCookie(cookie)
      return browser !== undefined && marksFit(browser, account) ? browser.name : undefined
    },
    async isKnownNetwork(network, account) {
      for (const key of keys)
        if ((await networksOf(key, account)).includes(networkMark(key, network, account)))
          return true
      return false
    },
    async remember(cookie, network, account) {
      try {
        const mark = networkMark(current, network, account)
        const others = (await networksOf(current, account)).filter((each) => each !== mark)
        await store.putRecord(
          recordOf(current, account),
          [mark, ...others].slice(0, MOST_NETWORKS).join(' '),
          NETWORK_MEMORY_MILLIS,
        )
      } catch {
        // The next sign-in from here is remembered.
      }
      const { name, marks } = readCookie(cookie) ?? { name: randomBase62(NAME_LENGTH), marks: [] }
      const mark = markOf(current, name, account)
      const others = marks.filter((each) => each !== mark)
      return [name, ...[mark, ...others].slice(0, MOST_ACCOUNTS)].join('.')
    },
  }
}

function readCookie(cookie: string | undefined): Browser | undefined {
  const [, name, marks = ''] = COOKIE.exec(cookie ?? '') ?? []
  return name === undefined ? undefined : { name, marks: marks.split('.').slice(1) }
}
