// Sends the form of the page on its way; without scripts the user presses its button.
'use strict'

HTMLFormElement.prototype.submit.call(document.forms[0])
