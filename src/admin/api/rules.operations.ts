// The rules of apps as data, for tools that check before they send.
import { APP_RULES } from '../../apps/app-rules.ts'
import { REDIRECT_URI_RULES } from '../../apps/redirect-uri.ts'
import { ORIGIN_RULES } from '../../apps/web-origin.ts'
import { wireName } from './members.ts'
import { done, type ApiResource } from './operation.ts'
import { answer, listOf, text } from './schema.ts'

const RULES = {
  apps: APP_RULES.map(({ name, field, sentence }) => ({
    name,
    field: wireName(field),
    sentence,
  })),
  redirect_uris: REDIRECT_URI_RULES.map(({ name, appliesTo, sentence }) => ({
    name,
    applies_to: appliesTo,
    sentence,
  })),
  allowed_origins: ORIGIN_RULES.map(({ name, sentence }) => ({ name, sentence })),
}

const NAME = text('The stable name, the `rule` of a problem.')
const SENTENCE = text('The rule in words.')

/** Returns the operation. */
export const ruleOperations = (): ApiResource => ({
  tag: 'Rules',
  description: 'What input is accepted.',
  schemas: {},
  operations: [
    {
      id: 'listRules',
      method: 'GET',
      path: '/rules',
      summary: 'List the rules for apps, redirect URIs and origins',
      scope: 'admin:apps:read',
      answers: {
        200: {
          description: 'The rules, in the order in which they are checked.',
          schema: answer({
            apps: listOf(
              answer({ name: NAME, field: text('The member of the app.'), sentence: SENTENCE }),
            ),
            redirect_uris: listOf(
              answer({ name: NAME, applies_to: text('When it applies.'), sentence: SENTENCE }),
            ),
            allowed_origins: listOf(answer({ name: NAME, sentence: SENTENCE })),
          }),
        },
      },
      handle: () => Promise.resolve(done(RULES)),
    },
  ],
})
