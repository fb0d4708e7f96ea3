// What every short-lived store has to keep (src/grants/family-store.ts), races included. Run on
// each of them.
import type { FamilyChange, ShortLivedStore } from '../../src/grants/family-store.ts'
import { newGrantId } from '../../src/shared/token-format.ts'
import type { OpenedStore } from './short-lived-stores.ts'

const MINUTE = 60_000

/** Runs the suite on the store that `open` opens. */
export function describeFamilyStore(name: string, open: () => Promise<OpenedStore>): void {
  describe(name, () => {
    let opened: OpenedStore
    let store: ShortLivedStore
    beforeAll(async () => {
      opened = await open()
      store = opened.store
    })
    afterAll(() => opened[Symbol.asyncDispose]())

    const put = (family: string, name: string, value: string, ttlMillis = MINUTE) =>
      store.commit(family, { expect: [], put: [{ name, value, ttlMillis }] })

    describe('families', () => {
      it('read names in the order asked, absent ones as undefined', async () => {
        const family = newGrantId()
        await store.commit(family, {
          expect: [],
          put: [
            { name: 'a', value: 'first', ttlMillis: MINUTE },
            { name: 'b', value: 'second', ttlMillis: MINUTE },
          ],
        })
        expect(await store.read(family, ['b', 'nothing', 'a'])).toEqual([
          'second',
          undefined,
          'first',
        ])
        expect(await store.read(newGrantId(), ['a'])).toEqual([undefined])
      })

      it('count, and commit only below a limit: of 20 at one moment as many as there is room for', async () => {
        const family = newGrantId()
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () =>
            store.commit(family, {
              expect: [{ name: 'n', state: 'below', limit: 7 }],
              increment: [{ name: 'n', ttlMillis: MINUTE }],
            }),
          ),
        )
        expect(outcomes.filter((done) => done)).toHaveLength(7)
        expect(await store.read(family, ['n'])).toEqual(['7'])
      })

      it('keep any JSON text as it is', async () => {
        const family = newGrantId()
        const value = JSON.stringify({
          text: '\u0000 "quotes" \\ \ud83d\ude00 \ud800 {x}:\n é',
          list: [],
        })
        await put(family, 'g', value)
        expect(await store.read(family, ['g'])).toEqual([value])
      })

      it.each<[string, FamilyChange['expect'][number], boolean]>([
        ['present, and it is', { name: 'is', state: 'present' }, true],
        ['present, and it is not', { name: 'is not', state: 'present' }, false],
        ['absent, and it is', { name: 'is not', state: 'absent' }, true],
        ['absent, and it is not', { name: 'is', state: 'absent' }, false],
        ['equal, and it is', { name: 'is', state: 'equals', value: 'it' }, true],
        ['equal, and it is another', { name: 'is', state: 'equals', value: 'It' }, false],
        ['equal, and there is nothing', { name: 'is not', state: 'equals', value: '' }, false],
      ])('commit when a name is expected %s: %p → %p', async (_title, expectation, outcome) => {
        const family = newGrantId()
        await put(family, 'is', 'it')
        const done = await store.commit(family, {
          expect: [expectation],
          put: [{ name: 'new', value: 'value', ttlMillis: MINUTE }],
        })
        expect(done).toBe(outcome)
        expect(await store.read(family, ['new'])).toEqual([outcome ? 'value' : undefined])
      })

      it('change all or nothing', async () => {
        const family = newGrantId()
        await put(family, 'kept', 'old')
        const done = await store.commit(family, {
          expect: [
            { name: 'kept', state: 'equals', value: 'old' },
            { name: 'missing', state: 'present' },
          ],
          put: [
            { name: 'kept', value: 'new', ttlMillis: MINUTE },
            { name: 'other', value: 'new', ttlMillis: MINUTE },
          ],
          extend: [{ name: 'kept', ttlMillis: 10 * MINUTE }],
          remove: ['kept'],
        })
        expect(done).toBe(false)
        expect(await store.read(family, ['kept', 'other'])).toEqual(['old', undefined])
        expect(await opened.remainingMillis(family, 'kept')).toBeLessThanOrEqual(MINUTE)
      })

      it('expect, put, extend and remove several names in one commit', async () => {
        const family = newGrantId()
        await put(family, 'code', 'c')
        await put(family, 'grant', 'g')
        const done = await store.commit(family, {
          expect: [
            { name: 'grant', state: 'equals', value: 'g' },
            { name: 'code', state: 'present' },
            { name: 'refresh', state: 'absent' },
          ],
          put: [
            { name: 'refresh', value: 'r', ttlMillis: MINUTE },
            { name: 'access', value: 'a', ttlMillis: MINUTE },
          ],
          extend: [
            { name: 'grant', ttlMillis: 5 * MINUTE },
            { name: 'refresh', ttlMillis: 3 * MINUTE },
          ],
          remove: ['code', 'never was'],
        })
        expect(done).toBe(true)
        expect(await store.read(family, ['grant', 'refresh', 'access', 'code'])).toEqual([
          'g',
          'r',
          'a',
          undefined,
        ])
        expect(await opened.remainingMillis(family, 'grant')).toBeGreaterThan(4 * MINUTE)
        expect(await opened.remainingMillis(family, 'refresh')).toBeGreaterThan(2 * MINUTE)
        expect(await opened.remainingMillis(family, 'access')).toBeLessThanOrEqual(MINUTE)
      })

      it('put up to ten names in one commit', async () => {
        const family = newGrantId()
        const names = (count: number) => Array.from({ length: count }, (_, at) => `n${at}`)
        const write = (count: number) =>
          store.commit(family, {
            expect: [],
            put: names(count).map((name) => ({ name, value: name, ttlMillis: MINUTE })),
          })
        expect(await write(10)).toBe(true)
        expect(await store.read(family, names(10))).toEqual(names(10))
      })

      it('extend a life, never shorten it, never give one to what is absent', async () => {
        const family = newGrantId()
        await put(family, 'name', 'value')
        await store.commit(family, {
          expect: [],
          extend: [
            { name: 'name', ttlMillis: 1000 },
            { name: 'absent', ttlMillis: MINUTE },
          ],
        })
        expect(await opened.remainingMillis(family, 'name')).toBeGreaterThan(MINUTE - 5000)
        expect(await store.read(family, ['absent'])).toEqual([undefined])
        await store.commit(family, {
          expect: [],
          extend: [{ name: 'name', ttlMillis: 2 * MINUTE }],
        })
        expect(await opened.remainingMillis(family, 'name')).toBeGreaterThan(MINUTE)
        expect(await store.read(family, ['name'])).toEqual(['value'])
      })

      it('forget what has expired, also as an expectation', async () => {
        const family = newGrantId()
        await put(family, 'short', 'value', 150)
        await put(family, 'long', 'value')
        expect(await store.read(family, ['short', 'long'])).toEqual(['value', 'value'])
        await opened.pass(150)
        expect(await store.read(family, ['short', 'long'])).toEqual([undefined, 'value'])
        expect(await store.commit(family, { expect: [{ name: 'short', state: 'present' }] })).toBe(
          false,
        )
        await store.commit(family, { expect: [], extend: [{ name: 'short', ttlMillis: MINUTE }] })
        expect(await store.read(family, ['short'])).toEqual([undefined])
        expect(await store.commit(family, { expect: [{ name: 'short', state: 'absent' }] })).toBe(
          true,
        )
      })

      it('are apart from each other', async () => {
        const [one, other] = [newGrantId(), newGrantId()]
        await put(one, 'g', 'one')
        await put(other, 'g', 'other')
        await store.commit(one, { expect: [], remove: ['g'] })
        expect(await store.read(one, ['g'])).toEqual([undefined])
        expect(await store.read(other, ['g'])).toEqual(['other'])
      })

      it('let one of 50 parallel commits on one expectation win', async () => {
        for (const state of ['absent', 'equals'] as const) {
          const family = newGrantId()
          if (state === 'equals') await put(family, 'name', 'start')
          const outcomes = await Promise.all(
            Array.from({ length: 50 }, (_, racer) =>
              store.commit(family, {
                expect: [
                  state === 'absent'
                    ? { name: 'name', state }
                    : { name: 'name', state, value: 'start' },
                ],
                put: [
                  { name: 'name', value: `racer ${racer}`, ttlMillis: MINUTE },
                  { name: `won:${racer}`, value: 'yes', ttlMillis: MINUTE },
                ],
              }),
            ),
          )
          expect(outcomes.filter(Boolean)).toHaveLength(1)
          const winner = outcomes.indexOf(true)
          expect(await store.read(family, ['name'])).toEqual([`racer ${winner}`])
          const traces = await store.read(
            family,
            outcomes.map((_, racer) => `won:${racer}`),
          )
          expect(traces.map((trace) => trace === 'yes')).toEqual(outcomes)
        }
      })

      it('commit side by side: 60 families at one moment', async () => {
        const families = Array.from({ length: 60 }, newGrantId)
        const outcomes = await Promise.all(
          families.map((family, at) =>
            store.commit(family, {
              expect: [{ name: 'g', state: 'absent' }],
              put: [
                { name: 'g', value: family, ttlMillis: MINUTE },
                ...(at % 2 === 0 ? [{ name: 'r', value: 'r', ttlMillis: MINUTE }] : []),
              ],
            }),
          ),
        )
        expect(outcomes.every(Boolean)).toBe(true)
        const found = await Promise.all(families.map((family) => store.read(family, ['g'])))
        expect(found.flat()).toEqual(families)
      })
    })

    describe('records', () => {
      it('are found until they are removed', async () => {
        await store.putRecord('s:one', 'value', MINUTE)
        await store.putRecord('s:one', 'newer', MINUTE)
        expect(await store.findRecord('s:one')).toBe('newer')
        await store.removeRecord('s:one')
        expect(await store.findRecord('s:one')).toBeUndefined()
        await store.removeRecord('s:one')
        expect(await store.findRecord('s:never was')).toBeUndefined()
      })

      it('end at their time', async () => {
        await store.putRecord('i:short', 'value', 150)
        expect(await store.findRecord('i:short')).toBe('value')
        await opened.pass(150)
        expect(await store.findRecord('i:short')).toBeUndefined()
      })
    })

    describe('indexes', () => {
      const add = (index: string, member: string, lifeMillis: number) =>
        store.addToIndex(index, member, opened.clock() + lifeMillis, opened.clock())
      const list = (index: string, offset = 0, limit = 100) =>
        store.listIndex(index, opened.clock(), offset, limit)

      it('list members by their end, in pages', async () => {
        const index = `u:${newGrantId()}`
        await add(index, 'g3 app_3', 3 * MINUTE)
        await add(index, 'g1 app_1', MINUTE)
        await add(index, 'g2 app_2', 2 * MINUTE)
        expect(await list(index)).toEqual(['g1 app_1', 'g2 app_2', 'g3 app_3'])
        expect(await list(index, 1, 1)).toEqual(['g2 app_2'])
        expect(await list(index, 2, 5)).toEqual(['g3 app_3'])
        expect(await list(index, 3)).toEqual([])
        expect(await list(`u:${newGrantId()}`)).toEqual([])
      })

      it('list members of one end in a stable order', async () => {
        const index = `p:${newGrantId()}`
        const endsAt = opened.clock() + MINUTE
        for (const member of ['b', 'C', 'a', '1', 'A'])
          await store.addToIndex(index, member, endsAt, opened.clock())
        expect(await list(index)).toEqual(['1', 'A', 'C', 'a', 'b'])
      })

      it('list with a commit, and only with one that is carried out', async () => {
        const [family, account, app] = [newGrantId(), `u:${newGrantId()}`, `p:${newGrantId()}`]
        const commit = (state: 'absent' | 'present', endsAtMillis: number) =>
          store.commit(family, {
            expect: [{ name: 'g', state }],
            put: [{ name: 'g', value: 'v', ttlMillis: MINUTE }],
            remove: ['c'],
            list: {
              nowMillis: opened.clock(),
              entries: [
                { index: account, member: `${family} app`, endsAtMillis },
                { index: app, member: family, endsAtMillis },
              ],
            },
          })
        const endsAt = opened.clock() + MINUTE
        expect(await commit('absent', endsAt)).toBe(true)
        expect(await list(account)).toEqual([`${family} app`])
        expect(await list(app)).toEqual([family])
        expect(await commit('present', endsAt + MINUTE)).toBe(true)
        expect(await commit('present', endsAt)).toBe(true)
        expect(await store.walkIndex(app, opened.clock(), undefined, 9)).toEqual([
          { member: family, endsAtMillis: endsAt + MINUTE },
        ])
        const before = await list(account)
        expect(await commit('absent', endsAt + 9 * MINUTE)).toBe(false)
        expect(await list(account)).toEqual(before)
        expect(await store.read(family, ['g'])).toEqual(['v'])
      })

      it('are walked from place to place, whatever became of the member there', async () => {
        const index = `p:${newGrantId()}`
        const endsAt = opened.clock() + MINUTE
        const addAll = async (members: string[], at: number) => {
          for (const member of members) await store.addToIndex(index, member, at, opened.clock())
        }
        await addAll(['b', 'C', 'a', 'aa', '1', 'A'], endsAt)
        await addAll(['0', 'z'], endsAt + 1)
        const walk = (behind?: { member: string; endsAtMillis: number }, limit = 100) =>
          store.walkIndex(index, opened.clock(), behind, limit)
        const names = async (...args: Parameters<typeof walk>) =>
          (await walk(...args)).map(({ member }) => member)
        expect(await names()).toEqual(['1', 'A', 'C', 'a', 'aa', 'b', '0', 'z'])
        const [, , third] = await walk(undefined, 3)
        expect(third).toEqual({ member: 'C', endsAtMillis: endsAt })
        expect(await names(third, 2)).toEqual(['a', 'aa'])
        await store.removeFromIndex(index, ['C', '1'])
        expect(await names(third)).toEqual(['a', 'aa', 'b', '0', 'z'])
        // What moves further back is met again.
        await addAll(['A'], endsAt + 2)
        expect(await names(third)).toEqual(['a', 'aa', 'b', '0', 'z', 'A'])
        expect(await names({ member: 'A', endsAtMillis: endsAt + 2 })).toEqual([])
        await store.removeFromIndex(index, await names())
        expect(await names(third)).toEqual([])
        expect(await list(index)).toEqual([])
      })

      it('forget members at their end, each at its own', async () => {
        const index = `p:${newGrantId()}`
        await add(index, 'short', 150)
        await add(index, 'long', MINUTE)
        expect(await list(index)).toEqual(['short', 'long'])
        await opened.pass(150)
        expect(await list(index)).toEqual(['long'])
      })

      it('never shorten the time of a member that is added again', async () => {
        const index = `p:${newGrantId()}`
        await add(index, 'member', 10 * MINUTE)
        await add(index, 'member', 100)
        await opened.pass(120)
        expect(await list(index)).toEqual(['member'])
        await add(index, 'lasting', 5 * MINUTE)
        expect(await list(index)).toEqual(['lasting', 'member'])
        await add(index, 'lasting', 20 * MINUTE)
        expect(await list(index)).toEqual(['member', 'lasting'])
      })

      it('outlive a member that was added before with a shorter life', async () => {
        const index = `p:${newGrantId()}`
        await add(index, 'long', 10 * MINUTE)
        await add(index, 'short', 100)
        await opened.pass(120)
        expect(await list(index)).toEqual(['long'])
      })

      it('lose the members that are removed and no others', async () => {
        const index = `u:${newGrantId()}`
        for (const member of ['a', 'b', 'c']) await add(index, member, MINUTE)
        await store.removeFromIndex(index, ['a', 'c', 'never was'])
        expect(await list(index)).toEqual(['b'])
        await store.removeFromIndex(index, [])
        await store.removeFromIndex(index, ['b'])
        expect(await list(index)).toEqual([])
      })

      it('take 50 members at one moment', async () => {
        const index = `u:${newGrantId()}`
        await Promise.all(Array.from({ length: 50 }, (_, at) => add(index, `m${at}`, MINUTE + at)))
        expect(new Set(await list(index)).size).toBe(50)
      })
    })
  })
}
