// What the browser tests share: scopes in plain words, users, and a logo. Tests look for these
// words.
import { createAccount, PASSWORD } from '../support/builders.ts'
import type { Person } from '../support/browser-page.ts'
import type { TestApp } from '../support/app.ts'

/** The catalogue in plain words. */
export const PERMISSIONS = {
  'bookings:read': {
    group: 'Bookings',
    sentence: 'See your bookings, with dates, guests and prices',
  },
  'bookings:write': { group: 'Bookings', sentence: 'Create, change and cancel your bookings' },
  'customers:read': { group: 'Customers', sentence: 'See the names and addresses of customers' },
  'payments:read': { group: 'Payments', sentence: 'See your payments and payouts' },
} as const

const SENSITIVE: ReadonlySet<string> = new Set(['payments:read'])

export const ALL_SCOPES = Object.keys(PERMISSIONS)

/** Makes the catalogue. */
export async function createCatalogue({ services }: TestApp): Promise<void> {
  for (const [name, words] of Object.entries(PERMISSIONS)) {
    const outcome = await services.scopes.create({
      name,
      ...words,
      sensitive: SENSITIVE.has(name),
    })
    if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  }
}

/** Makes somebody who can sign in. */
export async function aPerson(server: TestApp, name = 'Maria Lindqvist'): Promise<Person> {
  const { email } = await createAccount(server, { name, password: PASSWORD })
  return { email, password: PASSWORD }
}

/** A logo as an app would upload it. */
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">
<rect width="64" height="64" rx="14" fill="#3b2f8f"/><circle cx="26" cy="34" r="12" fill="#ffd166"/><path d="M34 18h16v28H40z" fill="#ef6f6c"/>
</svg>`

/** Uploads the logo. */
export async function giveLogo({ services }: TestApp, appId: string): Promise<void> {
  const outcome = await services.apps.setLogo(appId, Buffer.from(LOGO), 'image/svg+xml')
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
}
