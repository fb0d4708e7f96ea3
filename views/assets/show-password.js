// The button on a password field that shows what was typed; the page works without it. The field
// hides it again before the form is sent, so that the browser takes it for a password, and when the
// page comes back.
'use strict'

for (const button of document.querySelectorAll('[data-shows]')) {
  const field = document.getElementById(button.dataset.shows)
  const show = (isShown) => {
    field.type = isShown ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(isShown))
  }
  button.hidden = false
  button.addEventListener('click', () => show(field.type === 'password'))
  field.form.addEventListener('submit', () => show(false))
  window.addEventListener('pageshow', () => show(false))
}
