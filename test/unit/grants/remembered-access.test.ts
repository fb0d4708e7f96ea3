// The cache of access tokens is trusted only while the log of revocations is followed, and forgets
// a token as soon as the log names it.
import type { LiveAccess } from '../../../src/grants/find-token.ts'
import { rememberAccess } from '../../../src/grants/remembered-access.ts'
import { sha256 } from '../../../src/shared/crypto.ts'
import { newAccessToken, newGrantId, type ParsedToken } from '../../../src/shared/token-format.ts'

type Follower = Parameters<Parameters<typeof rememberAccess>[0]['log']['follow']>[0]

function setUp() {
  const followers = new Set<Follower>()
  const log = {
    follow(follower: Follower) {
      followers.add(follower)
      return () => void followers.delete(follower)
    },
  }
  const tell = (what: (follower: Follower) => void) => followers.forEach(what)
  let now = 1_000_000
  let asked = 0
  let beforeAnswer = (): void => undefined
  const dead = new Set<string>()
  const memory = rememberAccess({
    findAccess({ token, grantId }) {
      asked += 1
      const live: LiveAccess = {
        grant: { id: grantId, appId: 'app_1', scopes: [], createdAt: 0 },
        access: { issuedAt: 0, expiresAt: 2000 },
      }
      beforeAnswer()
      return Promise.resolve(dead.has(token) ? undefined : live)
    },
    log,
    ttlSeconds: 60,
    clock: () => now,
  })
  return {
    memory,
    tell,
    followers,
    dead,
    moveTo: (millis: number) => (now = millis),
    onQuestion: (what: () => void) => (beforeAnswer = what),
    /** Returns how many questions the store was asked for so many looks. */
    questions: async (presented: ParsedToken, looks = 1) => {
      const before = asked
      for (let look = 0; look < looks; look += 1) await memory.findAccess(presented)
      return asked - before
    },
  }
}

function token(grantId = newGrantId()): ParsedToken {
  return { kind: 'access', grantId, token: newAccessToken(grantId) }
}

it('asks once for a token while the log is heard', async () => {
  const { tell, questions } = setUp()
  tell((follower) => follower.onContact())
  expect(await questions(token(), 5)).toBe(1)
})

it('asks each time as long as the log was never heard', async () => {
  const { questions } = setUp()
  expect(await questions(token(), 3)).toBe(3)
})

it('forgets a token, a family or everything, and nothing else, when the log names it', async () => {
  const { tell, questions } = setUp()
  tell((follower) => follower.onContact())
  const first = token()
  const sibling = token(first.grantId)
  const other = token()
  for (const each of [first, sibling, other]) await questions(each)
  tell((follower) => follower.onRevoked({ kind: 'token', key: sha256(first.token) }))
  expect([await questions(first), await questions(sibling), await questions(other)]).toEqual([
    1, 0, 0,
  ])
  tell((follower) => follower.onRevoked({ kind: 'grant', key: first.grantId }))
  expect([await questions(first), await questions(sibling), await questions(other)]).toEqual([
    1, 1, 0,
  ])
  tell((follower) => follower.onRevoked({ kind: 'all', key: '' }))
  expect([await questions(first), await questions(sibling), await questions(other)]).toEqual([
    1, 1, 1,
  ])
  tell((follower) => follower.onGap())
  expect([await questions(first), await questions(other)]).toEqual([1, 1])
})

it('does not remember an answer that a revocation overtook', async () => {
  const { tell, questions, onQuestion } = setUp()
  tell((follower) => follower.onContact())
  const presented = token()
  onQuestion(() =>
    tell((follower) => follower.onRevoked({ kind: 'grant', key: presented.grantId })),
  )
  await questions(presented)
  onQuestion(() => undefined)
  expect(await questions(presented, 2)).toBe(1)
})

it('does not remember that there is none, nor believe in one that has expired', async () => {
  const { tell, questions, dead, moveTo } = setUp()
  tell((follower) => follower.onContact())
  const gone = token()
  dead.add(gone.token)
  expect(await questions(gone, 2)).toBe(2)
  const short = token()
  expect(await questions(short, 2)).toBe(1)
  moveTo(2_000_000)
  expect(await questions(short)).toBe(1)
})

it('no longer follows when it is disposed', () => {
  const { memory, followers } = setUp()
  memory[Symbol.dispose]()
  expect(followers.size).toBe(0)
})
