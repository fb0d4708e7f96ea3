// What is remembered, and how it is forgotten.
import fc from 'fast-check'
import type { AccessToken } from '../../../packages/resource-server/src/access-token.ts'
import { createAnswerCache, namesOf } from '../../../packages/resource-server/src/answer-cache.ts'
import { createRecentRevocations } from '../../../packages/resource-server/src/recent-revocations.ts'

const token = (overrides: Partial<AccessToken> = {}): AccessToken => ({
  subject: 'acc_1',
  clientId: 'app_1',
  scopes: new Set(),
  audience: undefined,
  grantId: 'g1',
  issuer: undefined,
  expiresAt: 1,
  ...overrides,
})
const remembered = {
  answer: Promise.resolve({ kind: 'inactive' } as const),
  freshUntil: 1,
  staleUntil: 1,
}

describe('the cache of answers', () => {
  it('forgets what was unused for longest when it is full', () => {
    const cache = createAnswerCache(2)
    cache.put('a', token(), remembered)
    cache.put('b', token(), remembered)
    cache.find('a')
    cache.put('c', token(), remembered)
    expect(['a', 'b', 'c'].filter((hash) => cache.find(hash) !== undefined)).toEqual(['a', 'c'])
    expect(cache.size()).toBe(2)
  })

  it('takes a token again after its family was revoked', () => {
    const cache = createAnswerCache(10)
    cache.put('a', token(), remembered)
    cache.revoke('grant g1')
    expect(cache.find('a')).toBeUndefined()
    cache.put('a', token(), remembered)
    expect(cache.find('a')).toBeDefined()
    cache.revoke('grant g1')
    expect(cache.find('a')).toBeUndefined()
  })

  it('is, whatever happens, what a list of tokens would be', () => {
    const id = fc.integer({ min: 0, max: 3 }).map(String)
    const put = fc.record({
      hash: fc.integer({ min: 0, max: 9 }).map(String),
      grantId: id,
      clientId: id,
      subject: id,
    })
    const revoke = fc.record({ kind: fc.constantFrom('grant', 'app', 'account'), key: id })
    fc.assert(
      fc.property(fc.array(fc.oneof(put, revoke)), (steps) => {
        const cache = createAnswerCache(100)
        const model = new Map<string, AccessToken>()
        for (const step of steps) {
          if ('hash' in step) {
            cache.put(step.hash, token(step), remembered)
            model.set(step.hash, token(step))
            continue
          }
          const name = `${step.kind} ${step.key}`
          cache.revoke(name)
          for (const [hash, value] of model) if (namesOf(value).includes(name)) model.delete(hash)
        }
        for (let hash = 0; hash < 10; hash += 1)
          expect(cache.find(String(hash)) !== undefined).toBe(model.has(String(hash)))
      }),
    )
  })
})

describe('recent revocations', () => {
  it('know what came after a mark, and only that', () => {
    const recent = createRecentRevocations(1000)
    recent.note('grant a', 0)
    const mark = recent.mark()
    expect(recent.hasOvertaken(mark, ['grant a'])).toBe(false)
    recent.note('grant b', 1)
    expect(recent.hasOvertaken(mark, ['grant a'])).toBe(false)
    expect(recent.hasOvertaken(mark, ['grant a', 'grant b'])).toBe(true)
    recent.noteAll()
    expect(recent.hasOvertaken(mark, [])).toBe(true)
    expect(recent.hasOvertaken(recent.mark(), [])).toBe(false)
  })

  it('when there are too many, count as having overtaken everything', () => {
    const recent = createRecentRevocations(1000)
    const mark = recent.mark()
    for (let count = 0; count <= 50_000; count += 1) recent.note(`grant ${count}`, 0)
    expect(recent.hasOvertaken(mark, ['grant of nobody'])).toBe(true)
  })

  it('let a change settle for two seconds', () => {
    const recent = createRecentRevocations(1000)
    recent.note('app a', 100)
    expect(recent.isSettling(['app a'], 2099)).toBe(true)
    expect(recent.isSettling(['app a'], 2100)).toBe(false)
    expect(recent.isSettling(['app b'], 100)).toBe(false)
  })
})
