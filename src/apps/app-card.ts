// An app as people see it on a page. Invariant: its links are plain web addresses, and its logo
// comes from our own origin. Called by sign-in/ and connected-apps/.
import { ownPath, type SafeLink, webAddress } from '../http/safe-links.ts'
import type { App } from '../model/app.ts'

/** What a person sees of an app. */
export interface AppCard {
  name: string
  description: string | undefined
  /** A path on our own origin: pages load nothing from anywhere else. */
  logoUrl: SafeLink | undefined
  homepage: SafeLink | undefined
  privacyUrl: SafeLink | undefined
  termsUrl: SafeLink | undefined
}

/** Returns what a page shows of the app; an address that is no plain web address is left out. */
export const appCard = (
  app: Pick<App, 'name' | 'description' | 'logoId' | 'homepageUrl' | 'privacyUrl' | 'termsUrl'>,
): AppCard => ({
  name: app.name,
  description: app.description,
  logoUrl: app.logoId === undefined ? undefined : ownPath(`/logos/${app.logoId}`),
  homepage: webAddress(app.homepageUrl),
  privacyUrl: webAddress(app.privacyUrl),
  termsUrl: webAddress(app.termsUrl),
})
