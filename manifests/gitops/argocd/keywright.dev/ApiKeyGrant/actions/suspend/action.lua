-- Renew nothing any more; the present key stays in the Secret until it expires.
obj.spec.suspend = true
return obj
