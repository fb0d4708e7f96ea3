// Two servers on the same stores behind one address, as in production: a change at one takes effect
// at the other at once.
import { setTimeout as sleep } from 'node:timers/promises'
import { openTestStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { createAccount, createScopes, issueCode, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

let stores: TestStores
let one: TestApp
let two: TestApp
beforeAll(async () => {
  stores = await openTestStores('redis')
  one = await startTestApp({ backend: 'redis', stores })
  two = await startTestApp({ backend: 'redis', stores, issuer: one.issuer })
  await createScopes(one)
  // The catalogue reaches the other process by the channel.
  await within(1000, () =>
    Promise.resolve(two.services.scopes.current().scopes.has('bookings:read')),
  )
})
afterAll(async () => {
  await two[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

/** An app as both servers see it. */
async function onBoth(overrides: Parameters<typeof registerApp>[1] = {}) {
  const client = await registerApp(one, overrides)
  return { client, first: createOAuthClient(one, client), second: createOAuthClient(two, client) }
}

async function within(millis: number, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + millis
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`not within ${millis} ms`)
    await sleep(10)
  }
}

it('a token of one is worth the same at the other', async () => {
  const { first, second } = await onBoth()
  const { access, refresh } = await first.authorize()
  expect(await second.isActive(access)).toBe(true)
  expect(await second.refresh(refresh)).toMatchObject({ status: 200 })
})

it('a code is redeemed once, however many servers try', async () => {
  const { client, first, second } = await onBoth()
  const { code } = await issueCode(one, client)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).exchange(code)),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

it('parallel refreshes over both leave one family alive', async () => {
  const { first, second } = await onBoth({ type: 'public' })
  const { refresh } = await first.authorize()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).refresh(refresh)),
  )
  expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1)
  expect(await second.refresh(answers[0]!.body.refresh_token)).toMatchObject({ status: 200 })
})

it('a revocation is true for the other with the very next request', async () => {
  const { first, second } = await onBoth()
  for (let round = 0; round < 5; round += 1) {
    const { access, refresh } = await first.authorize()
    expect(await second.isActive(access)).toBe(true)
    await first.revoke(refresh)
    expect(await second.isActive(access)).toBe(false)
  }
})

it('an account that was deactivated at one is refused by the other within a second', async () => {
  const { first, second } = await onBoth()
  const account = await createAccount(one)
  const { access, refresh } = await first.authorize({ accountId: account.id })
  expect(await second.isActive(access)).toBe(true)
  await one.services.accounts.deactivate(account.id, 'left the company')
  await within(1000, async () => !(await second.isActive(access)))
  expect(await second.refresh(refresh)).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant' },
  })
})

it('an app that was suspended at one is refused by the other within a second', async () => {
  const { client, first, second } = await onBoth()
  expect(await second.credentials()).toMatchObject({ status: 200 })
  expect(await first.credentials()).toMatchObject({ status: 200 })
  await one.services.apps.suspend(client.id, 'abuse')
  expect(await first.credentials()).toMatchObject({ status: 401 })
  await within(1000, async () => (await second.credentials()).status === 401)
})

it('a secret that was revoked at one is refused by the other within a second', async () => {
  const { client, second } = await onBoth()
  expect(await second.credentials()).toMatchObject({ status: 200 })
  await one.services.apps.revokeSecret(client.id, client.app.secrets[0]!.id)
  await within(1000, async () => (await second.credentials()).status === 401)
})

it('limits count over both', async () => {
  const overrides = { OTESSE_LIMIT_TOKEN_PER_CLIENT: '40/60' }
  await using third = await startTestApp({
    backend: 'redis',
    stores,
    issuer: one.issuer,
    overrides,
  })
  await using fourth = await startTestApp({
    backend: 'redis',
    stores,
    issuer: one.issuer,
    overrides,
  })
  const client = await registerApp(third)
  const both = [createOAuthClient(third, client), createOAuthClient(fourth, client)]
  const seen: number[] = []
  for (let index = 0; index < 60; index += 1) {
    seen.push((await both[index % 2]!.credentials()).status)
    await sleep(20)
  }
  const allowed = seen.filter((status) => status === 200).length
  expect(allowed).toBeGreaterThanOrEqual(40)
  // Each may let through what it had not heard of, within one settling.
  expect(allowed).toBeLessThan(60)
  expect(seen.at(-1)).toBe(429)
})
