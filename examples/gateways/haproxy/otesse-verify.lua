-- http-request lua.otesse-verify <requirement>: asks the authorization server whether the call may pass. A yes overwrites the identity headers
-- of the request and sets txn.otesse_allowed; a no goes to the client as it is; anything else is 503. Used by haproxy.cfg.

local URL = "http://" .. os.getenv("AUTH_ADDRESS") .. "/oauth/verify?"
local CREDENTIALS = "Basic " .. os.getenv("GATEWAY_CREDENTIALS")
local TIMEOUT_MILLIS = 3000
local IDENTITY = { "x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-expires", "x-auth-grant" }
local FOR_CLIENT = { "www-authenticate", "content-type", "cache-control", "retry-after" }

-- The tables of HAProxy begin at 0, those that its client takes at 1. A second Authorization header has to be seen by the server.
local function all(values)
  local list = {}
  for at = 0, #values do
    list[#list + 1] = values[at]
  end
  return list
end

local function ask(txn, requirement)
  local headers = {
    ["x-otesse-gateway-authorization"] = { CREDENTIALS },
    ["x-forwarded-method"] = { txn.f:method() },
    ["x-forwarded-uri"] = { txn.f:url() },
  }
  local authorization = txn.http:req_get_headers()["authorization"]
  if authorization ~= nil then
    headers["authorization"] = all(authorization)
  end
  return core.httpclient():get({ url = URL .. requirement, headers = headers, timeout = TIMEOUT_MILLIS })
end

local function refuse(txn, status, names, answer)
  local reply = txn:reply({ status = status })
  for _, name in ipairs(names) do
    local values = answer.headers[name]
    if values ~= nil then
      reply:add_header(name, values[0])
    end
  end
  if answer.body ~= nil then
    reply:set_body(answer.body)
  end
  txn:done(reply)
end

core.register_action("otesse-verify", { "http-req" }, function(txn, requirement)
  local went_well, answer = pcall(ask, txn, requirement)
  if not went_well or answer == nil or answer.status == nil or answer.status < 200 or answer.status >= 500 then
    return -- haproxy.cfg denies what was not allowed
  end
  if answer.status >= 300 then
    refuse(txn, answer.status, FOR_CLIENT, answer)
    return
  end
  for _, name in ipairs(IDENTITY) do
    local values = answer.headers[name]
    txn.http:req_set_header(name, values ~= nil and values[0] or "")
  end
  txn:set_var("txn.otesse_allowed", true)
end, 1)
