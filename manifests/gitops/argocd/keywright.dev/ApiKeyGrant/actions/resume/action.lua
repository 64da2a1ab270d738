-- Renew again.
obj.spec.suspend = false
return obj
