-- The actions of an ApiKeyGrant in Argo CD's interface.
local suspended = obj.spec ~= nil and obj.spec.suspend == true
return {
  renew = { disabled = suspended },
  suspend = { disabled = suspended },
  resume = { disabled = not suspended },
}
