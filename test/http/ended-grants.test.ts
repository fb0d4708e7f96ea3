// What an act ends is dead from that moment on, also before its removal and where a process that
// knew of nothing issues late.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

describe.each(BACKENDS)('ended grants, %s', (backend) => {
  let server: TestApp
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  const holdJobs = async (): Promise<void> => {
    // As if a process held them that stands still: nothing is removed.
    await server.infrastructure.db
      .updateTable('purge_jobs')
      .set({ due_at: new Date(Date.now() + 3_600_000) })
      .execute()
  }

  it('tokens of before a reset are dead although nothing has removed them', async () => {
    const client = createOAuthClient(server, await registerApp(server))
    const api = createOAuthClient(server, await registerApp(server, { type: 'resource_server' }))
    const { access, refresh, accountId, grantId } = await client.authorize()
    await server.services.accounts.setPassword(accountId, 'a first password 123')
    await server.services.accounts.setPassword(accountId, 'a second password 456')
    const text = await server.services.grants.find(grantId)
    await holdJobs()
    // The grant is put back as it was: a copy of the store that never heard of the act.
    if (text !== undefined) expect(text.accountGeneration ?? 0).toBe(0)
    expect((await api.introspect(access)).body.active).toBe(false)
    expect((await client.refresh(refresh)).body.error).toBe('invalid_grant')
  })

  it('an app that was suspended and activated gets nothing by an App of before', async () => {
    const machine = await registerApp(server, { type: 'machine' })
    const api = createOAuthClient(server, await registerApp(server, { type: 'resource_server' }))
    const { apps, grants } = server.services
    const before = await apps.get(machine.id)
    await apps.suspend(machine.id, 'looked at')
    await apps.activate(machine.id)
    const terms = {
      ...{ accessTtlSeconds: 3600, refreshTtlSeconds: 3600, rotate: false, sliding: false },
      ...{ maxLifeSeconds: 3600, graceSeconds: 0 },
    }
    // A process that stood still issues with what it knew.
    const late = await grants.issueToApp(before, ['bookings:read'], undefined, terms)
    expect((await api.introspect(late.accessToken)).body.active).toBe(false)
    const now = (await createOAuthClient(server, machine).credentials()).body.access_token
    expect((await api.introspect(now)).body.active).toBe(true)
  })
})
