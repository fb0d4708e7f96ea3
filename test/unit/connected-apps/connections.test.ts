// Which apps an account has connected: consents and live grants as one list, bounded, with a notice
// when it is cut.
import { describe, expect, it } from '@jest/globals'
import type { App } from '../../../src/model/app.ts'
import { BOUNDS, findConnection, listConnections } from '../../../src/connected-apps/connections.ts'
import type { RememberedConsent } from '../../../src/grants/consent.store.ts'
import type { Grant } from '../../../src/grants/grant.ts'

const at = (seconds: number): Date => new Date(seconds * 1000)

const aConsent = (appId: string, scopes: string[], seconds = 1000): RememberedConsent => ({
  appId,
  scopes,
  createdAt: at(seconds),
  updatedAt: at(seconds + 500),
})

const aGrant = (id: string, appId: string, scopes: string[], createdAt = 2000): Grant => ({
  id,
  appId,
  accountId: 'acc_1',
  scopes,
  createdAt,
})

/** Sources over what there is; `ended` is what the index still lists although it is over. */
function sourcesOf(held: { consents?: RememberedConsent[]; grants?: Grant[]; ended?: Grant[] }) {
  const { consents = [], grants = [], ended = [] } = held
  const listed = [...ended, ...grants]
  const reads = { grants: 0 }
  return {
    reads,
    consents: {
      listOfAccount: (_accountId: string, limit: number) =>
        Promise.resolve(consents.slice(0, limit)),
    },
    grants: {
      listOfAccount: (_accountId: string, offset: number, limit: number) =>
        Promise.resolve(
          listed.slice(offset, offset + limit).map(({ id, appId }) => ({ grantId: id, appId })),
        ),
      find(id: string) {
        reads.grants += 1
        return Promise.resolve(grants.find((grant) => grant.id === id))
      },
    },
    scopeExists: () => true,
    // The id of a grant that was used ends with the second of its last use.
    timesOf: (_appId: string, those: readonly Grant[]) =>
      Promise.resolve(
        those.map(({ id }) => {
          const [, used] = /@(\d+)$/.exec(id) ?? []
          return { lastUsedAt: used === undefined ? undefined : at(Number(used)) }
        }),
      ),
    findApp: (appId: string) =>
      Promise.resolve(
        appId === 'app_gone' ? undefined : ({ id: appId, name: `Name of ${appId}` } as App),
      ),
  }
}

const many = (count: number, of: (index: number) => string): string[] =>
  Array.from({ length: count }, (_none, index) => of(index))

describe('listConnections', () => {
  it('unites consent and live grants: all scopes once, the earliest day, the number alive', async () => {
    const { connections, isCut } = await listConnections(
      sourcesOf({
        consents: [aConsent('app_a', ['email', 'x:read'], 1500)],
        grants: [
          aGrant('1', 'app_a', ['x:read'], 1800),
          aGrant('2', 'app_a', ['x:write'], 1200),
          aGrant('3', 'app_b', ['x:read'], 1900),
        ],
        ended: [aGrant('4', 'app_a', ['secret:read'], 1), aGrant('5', 'app_c', ['x:read'])],
      }),
      'acc_1',
    )
    expect(isCut).toBe(false)
    expect(connections).toEqual([
      expect.objectContaining({
        appId: 'app_a',
        scopes: ['email', 'x:read', 'x:write'],
        since: at(1200),
        grants: 2,
      }),
      expect.objectContaining({
        appId: 'app_b',
        scopes: ['x:read'],
        since: at(1900),
        grants: 1,
      }),
    ])
  })

  it('goes by name, and by its id where an app left no trace', async () => {
    const consents = ['app_z', 'app_gone', 'app_b'].map((id) => aConsent(id, ['x:read']))
    const { connections } = await listConnections(sourcesOf({ consents }), 'acc_1')
    expect(connections.map(({ appId, app }) => [appId, app?.name])).toEqual([
      ['app_gone', undefined],
      ['app_b', 'Name of app_b'],
      ['app_z', 'Name of app_z'],
    ])
  })

  it('is empty for an account with nothing', async () => {
    expect(await listConnections(sourcesOf({}), 'acc_1')).toEqual({
      connections: [],
      isCut: false,
    })
  })

  it.each([
    [BOUNDS.apps, false],
    [BOUNDS.apps + 1, true],
    [BOUNDS.apps * 3, true],
  ])('of %i apps shows those that fit and says whether it is cut: %s', async (count, isCut) => {
    const consents = many(count, (index) => `app_${index}`).map((id) => aConsent(id, ['x:read']))
    const list = await listConnections(sourcesOf({ consents }), 'acc_1')
    expect(list.connections).toHaveLength(Math.min(count, BOUNDS.apps))
    expect(list.isCut).toBe(isCut)
  })

  it('looks at so many grants and no more, and says so', async () => {
    const grants = many(BOUNDS.grants + 500, String).map((id) => aGrant(id, 'app_a', ['x:read']))
    const sources = sourcesOf({ grants })
    const { connections, isCut } = await listConnections(sources, 'acc_1')
    expect(sources.reads.grants).toBe(BOUNDS.grants)
    expect(connections.map((each) => each.grants)).toEqual([BOUNDS.grants])
    expect(isCut).toBe(true)
  })

  it('counts grants beyond one page of the index', async () => {
    const grants = many(450, String).map((id) => aGrant(id, 'app_a', ['x:read']))
    const { connections, isCut } = await listConnections(sourcesOf({ grants }), 'acc_1')
    expect(connections.map((each) => each.grants)).toEqual([450])
    expect(isCut).toBe(false)
  })

  it('shows each app, also one whose grants end after thousands of another’s', async () => {
    const flood = many(BOUNDS.grants + 500, String).map((id) => aGrant(id, 'app_a', ['x:read']))
    const grants = [...flood, aGrant('b1', 'app_b', ['x:read']), aGrant('b2', 'app_b', ['y:read'])]
    const sources = sourcesOf({ grants })
    const { connections, isCut } = await listConnections(sources, 'acc_1')
    expect(connections.map((each) => [each.appId, each.grants])).toEqual([
      ['app_a', BOUNDS.grants - 2],
      ['app_b', 2],
    ])
    expect(connections[1]?.scopes.toSorted()).toEqual(['x:read', 'y:read'])
    expect(sources.reads.grants).toBe(BOUNDS.grants)
    expect(isCut).toBe(true)
  })

  it('tells the last use of any of the grants of an app', async () => {
    const grants = [
      aGrant('g1@5000', 'app_a', ['x']),
      aGrant('g2@7000', 'app_a', ['x']),
      aGrant('g3', 'app_a', ['x']),
      aGrant('g4', 'app_b', ['x']),
    ]
    const { connections } = await listConnections(sourcesOf({ grants }), 'acc_1')
    expect(connections.map(({ appId, lastUsedAt }) => [appId, lastUsedAt])).toEqual([
      ['app_a', at(7000)],
      ['app_b', undefined],
    ])
  })
})

describe('findConnection', () => {
  it('finds an app that holds something, and none that does not', async () => {
    const sources = sourcesOf({ grants: [aGrant('1', 'app_a', ['x:read'])] })
    expect(await findConnection(sources, 'acc_1', 'app_a')).toMatchObject({ grants: 1 })
    expect(await findConnection(sources, 'acc_1', 'app_b')).toBeUndefined()
  })

  it('does not deny what it could not look at', async () => {
    const flood = many(BOUNDS.listed + 1, String).map((id) => aGrant(id, 'app_a', ['x:read']))
    const sources = sourcesOf({ grants: [...flood, aGrant('b', 'app_b', ['x:read'])] })
    expect(await findConnection(sources, 'acc_1', 'app_b')).toMatchObject({
      appId: 'app_b',
      app: { name: 'Name of app_b' },
      grants: 0,
    })
  })
})
