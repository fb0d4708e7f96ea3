// An app as people see it on a page. Called by sign-in/ and connected-apps/.
import type { AppCard } from '../http/views.ts'
import type { App } from '../model/app.ts'

/** Returns what a page shows of the app; its logo is served from our own origin. */
export function appCard(app: App): AppCard {
  return {
    name: app.name,
    description: app.description,
    logoUrl: app.logoId === undefined ? undefined : `/logos/${app.logoId}`,
    homepage: app.homepageUrl,
    privacyUrl: app.privacyUrl,
    termsUrl: app.termsUrl,
  }
}
