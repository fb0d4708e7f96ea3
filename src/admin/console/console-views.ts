// The one function that turns a page of the console into HTML. Invariant: every value is escaped,
// and an app's addresses become links only where they are plain web addresses.
import type { Account } from '../../model/account.ts'
import type { Templates } from '../../http/views.ts'
import { type Frame, SECTIONS } from './frame.ts'
import type { BarePage, ConsolePage } from './page-models.ts'

/** Renders a page for an admin. */
export type RenderConsole = (
  page: ConsolePage,
  admin: Pick<Account, 'email' | 'name'>,
  may: (href: string) => boolean,
) => string

/** Renders a page for somebody who is not let in. */
export type RenderBare = (page: BarePage) => string

/** What every page of the console is given besides its model. */
export const consoleValues = (
  frame: Frame,
  { email, name }: Pick<Account, 'email' | 'name'>,
  may: (href: string) => boolean,
) => ({
  frame: {
    ...frame,
    action: frame.action !== undefined && may(frame.action.href) ? frame.action : undefined,
    otherAction:
      frame.otherAction !== undefined && may(frame.otherAction.href)
        ? frame.otherAction
        : undefined,
    tabs: frame.tabs?.filter(({ href }) => may(href)),
  },
  /** Whether a link to that path of the console leads anywhere for this person. */
  may,
  sections: SECTIONS.filter(({ href }) => may(href)),
  admin: { email, name },
  title: titleOf(frame),
})

/** Creates the renderers. */
export function createConsoleViews(templates: Templates): {
  render: RenderConsole
  renderBare: RenderBare
} {
  return {
    render: ({ template, frame, ...model }, admin, may) =>
      templates.render(`console/${template}`, { ...model, ...consoleValues(frame, admin, may) }),
    renderBare: ({ template, ...model }) => templates.render(`console/${template}`, model),
  }
}

function titleOf({ title, narrowedTo = '', problems = [] }: Frame): string {
  if (problems.length > 0) return `Problem: ${title}`
  return narrowedTo === '' ? title : `${title}: ${narrowedTo}`
}
