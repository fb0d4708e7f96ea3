// Disconnecting one app: recorded first, carried out at once, and left to the purger only if that
// failed.
import { describe, expect, it } from '@jest/globals'
import { createDisconnect } from '../../../src/grants/disconnect.ts'
import type { Grant } from '../../../src/grants/grant.ts'
import { AppError } from '../../../src/shared/errors.ts'

const placeOf = (id: string): number => Number(id.slice('grant'.length))

function aWorld(count: number, { failsAfter = Infinity } = {}) {
  const alive = new Map<string, Grant>()
  for (let index = 0; index < count; index += 1) {
    const id = `grant${index}`
    const appId = index % 3 === 0 ? 'app_other' : 'app_1'
    alive.set(id, { id, appId, accountId: 'acc_1', scopes: ['x:read'], createdAt: 1 })
  }
  const log: string[] = []
  let revoked = 0
  const disconnect = createDisconnect({
    consents: {
      forget(accountId, appId, reason) {
        log.push(`forget ${accountId} ${appId} ${reason}`)
        return Promise.resolve({ jobId: 'job7', generation: 1 })
      },
    },
    grants: {
      walkOfApp: () => Promise.reject(new Error('the whole app is not meant')),
      walkOfAccount: (accountId, behind, limit) =>
        Promise.resolve(
          [...alive.values()]
            .map(({ id, appId }, endsAtMillis) => ({ id, appId, endsAtMillis: endsAtMillis + 1 }))
            .filter(({ id }) => behind === undefined || placeOf(id) > placeOf(behind.member))
            .slice(0, limit)
            .map(({ id, appId, endsAtMillis }) => ({
              grantId: id,
              appId,
              accountId,
              place: { member: id, endsAtMillis },
            })),
        ),
      revoke(grantId) {
        if (revoked >= failsAfter) return Promise.reject(new AppError('temporarily_unavailable'))
        revoked += 1
        const grant = alive.get(grantId)
        alive.delete(grantId)
        return Promise.resolve(grant)
      },
    },
    jobs: {
      remove(id) {
        log.push(`done ${id}`)
        return Promise.resolve()
      },
    },
    audit: { grantRevoked: ({ id }, reason) => void log.push(`revoked ${id} ${reason}`) },
  })
  return { disconnect, alive, log }
}

const appsOf = (alive: ReadonlyMap<string, Grant>): Set<string> =>
  new Set([...alive.values()].map(({ appId }) => appId))

describe('disconnect', () => {
  it('writes it down, ends each grant of the connection with an event, and strikes it out', async () => {
    const { disconnect, alive, log } = aWorld(6)
    expect(await disconnect('acc_1', 'app_1', 'user')).toBe(4)
    expect(appsOf(alive)).toEqual(new Set(['app_other']))
    expect(log[0]).toBe('forget acc_1 app_1 user')
    expect(log.slice(1, -1).sort()).toEqual([
      'revoked grant1 user',
      'revoked grant2 user',
      'revoked grant4 user',
      'revoked grant5 user',
    ])
    expect(log.at(-1)).toBe('done job7')
  })

  it('reaches all of them among very many', async () => {
    const { disconnect, alive } = aWorld(1000)
    expect(await disconnect('acc_1', 'app_1', 'user')).toBe(666)
    expect(appsOf(alive)).toEqual(new Set(['app_other']))
  })

  it('is no error where nothing is left', async () => {
    const { disconnect, log } = aWorld(0)
    expect(await disconnect('acc_1', 'app_1', 'user')).toBe(0)
    expect(log).toEqual(['forget acc_1 app_1 user', 'done job7'])
  })

  it('leaves the rest written down where it fails halfway', async () => {
    const { disconnect, log } = aWorld(6, { failsAfter: 2 })
    await expect(disconnect('acc_1', 'app_1', 'user')).rejects.toMatchObject({
      code: 'temporarily_unavailable',
    })
    expect(log).toContain('forget acc_1 app_1 user')
    expect(log).not.toContain('done job7')
  })
})
